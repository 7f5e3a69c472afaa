import { posix } from "node:path";
import type { Instruction, Place } from "../instruction.ts";
import { pointAt } from "../place.ts";
import type { Warning } from "../statements.ts";
import { rules } from "./rules.ts";

/** Those of which the last one in a stage counts. */
type Single = "cmd" | "entrypoint" | "healthcheck";

/** What the checks of a stage's instructions remember of those before. */
export class StageChecks {
  readonly #last = new Map<Single, Place>();
  #hasWorkdir: boolean;

  /** @param below - the checks of the stage that this one starts from */
  constructor(below?: StageChecks) {
    this.#hasWorkdir = below?.hasWorkdir ?? false;
  }

  /** Whether this stage, or one below it, has a WORKDIR. */
  get hasWorkdir(): boolean {
    return this.#hasWorkdir;
  }

  /** The next instruction of the stage. */
  *check(instruction: Instruction, surroundings: Surroundings): Generator<Warning> {
    const { place } = instruction;
    switch (instruction.kind) {
      case "env":
      case "label":
        if (instruction.legacy === true) {
          yield rules.legacyKeyValueFormat(pointAt(place), keywordOf(instruction));
        }
        if (instruction.kind === "env") {
          const names = instruction.pairs.map(([name]) => surroundings.expand(name));
          yield* checkSecrets("ENV", names, place);
        }
        return;
      case "arg":
        yield* checkSecrets(
          "ARG",
          instruction.args.map(({ name }) => name),
          place,
        );
        return;
      case "workdir":
        yield* this.#checkWorkdir(surroundings.expand(instruction.path), surroundings.os, place);
        return;
      case "healthcheck":
        yield* this.#checkSingle(instruction, instruction.kind);
        return;
      case "cmd":
      case "entrypoint":
        yield* this.#checkSingle(instruction, instruction.kind);
        if (instruction.command.form === "shell" && !surroundings.hasShell) {
          yield rules.jsonArgsRecommended(pointAt(place), keywordOf(instruction));
        }
        return;
      case "copy":
      case "add":
        yield* checkCopied(instruction, surroundings);
    }
  }

  *#checkWorkdir(path: string, os: string, place: Place): Generator<Warning> {
    // On Windows a drive may come first.
    const isAbsolute = os === "windows" ? /^(?:[a-z]:)?[\\/]/i.test(path) : path.startsWith("/");
    if (!this.#hasWorkdir && !isAbsolute) yield rules.workdirRelativePath(pointAt(place, path), path);
    this.#hasWorkdir = true;
  }

  *#checkSingle(instruction: Instruction, kind: Single): Generator<Warning> {
    const before = this.#last.get(kind);
    // It is the one before that does nothing.
    if (before !== undefined) {
      yield rules.multipleInstructionsDisallowed(pointAt(before), keywordOf(instruction));
    }
    this.#last.set(kind, instruction.place);
  }
}

/** What surrounds an instruction. */
export interface Surroundings {
  /** Fills the stage's variables into a word. */
  readonly expand: (word: string) => string;
  /** Whether a SHELL was chosen, so that commands in shell form are meant. */
  readonly hasShell: boolean;
  /** The operating system that the stage is for. */
  readonly os: string;
  /** Whether a path of the context is left out for sure. */
  readonly leftOut?: (path: string) => boolean;
}

/** The keyword of an instruction as written. */
function keywordOf({ original }: Instruction): string {
  return /^\S+/.exec(original)?.[0] ?? "";
}

const secretWords = "apikey|auth|credentials?|key|password|pword|passwd|secret|token";
const secretName = new RegExp(`(?:_|^)(?:${secretWords})(?:_|$)`, "i");
const publicName = /(?:_|^)public(?:_|$)/i;

function* checkSecrets(keyword: string, names: readonly string[], place: Place): Generator<Warning> {
  for (const name of names) {
    if (!secretName.test(name) || publicName.test(name)) continue;
    yield rules.secretsUsedInArgOrEnv(pointAt(place, name), keyword, name);
  }
}

function* checkCopied(
  { kind, from = "", sources, place }: Extract<Instruction, { kind: "copy" | "add" }>,
  { expand, leftOut }: Surroundings,
): Generator<Warning> {
  if (from !== "" || leftOut === undefined) return;
  for (const source of sources) {
    if (source.kind !== "path" || /^(?:https?:\/\/|git@|ssh:\/\/)/.test(source.path)) continue;
    const path = posix.normalize(expand(source.path)).replace(/(?<=.)\/$/, "");
    // The context as a whole is never what a pattern means.
    if (path === "." || path === "/" || !leftOut(path)) continue;
    yield rules.copyIgnoredFile(pointAt(place, source.path), kind === "copy" ? "Copy" : "Add", path);
  }
}
