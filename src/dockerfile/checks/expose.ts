import type { SourceLocation } from "../../io/index.ts";
import type { Warning } from "../statements.ts";
import { rules } from "./rules.ts";

/** Checks one word of EXPOSE, variables filled in. */
export function* checkPort(word: string, at: SourceLocation): Generator<Warning> {
  const container = word.slice(word.lastIndexOf(":") + 1);
  const protocol = container.includes("/") ? container.slice(container.indexOf("/") + 1) : "";
  if (protocol !== protocol.toLowerCase()) yield rules.exposeProtoCasing(at, word);
  // `:80` names no port of the host.
  if (/[^:]/.test(word.slice(0, word.length - container.length))) yield rules.exposeInvalidFormat(at, word);
}
