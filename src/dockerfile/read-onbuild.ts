import { readFlags } from "./flags.ts";
import { mistake } from "./place.ts";
import { type Reader, someArguments } from "./reader.ts";
import { trimStart } from "./whitespace.ts";

/** Reads ONBUILD. What it holds is checked where it triggers, except for what can never be a trigger. */
export const readOnbuild: Reader = (statement, common) => {
  someArguments(statement);
  readFlags(statement, {});
  const command = statement.trigger?.command ?? "";
  const name = command.toUpperCase();
  if (name === "ONBUILD") {
    const message = "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed";
    throw mistake(statement.place, message, { part: command });
  }
  if (name === "MAINTAINER" || name === "FROM") {
    throw mistake(statement.place, `${name} isn't allowed as an ONBUILD trigger`, { part: command });
  }
  const heredocs = statement.heredocs.map((heredoc) => `\n${heredoc.content}${heredoc.name}`);
  const line = trimStart(trimStart(statement.original).slice("ONBUILD".length));
  return { ...common, kind: "onbuild", expression: [line, ...heredocs].join("") };
};
