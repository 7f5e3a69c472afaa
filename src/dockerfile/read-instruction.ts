import type { Instruction } from "./instruction.ts";
import { mistake } from "./place.ts";
import { readAdd, readCopy } from "./read-copy.ts";
import { readHealthcheck } from "./read-healthcheck.ts";
import {
  readArg,
  readCmd,
  readEntrypoint,
  readEnv,
  readExpose,
  readLabel,
  readMaintainer,
  readShell,
  readStopsignal,
  readUser,
  readVolume,
  readWorkdir,
} from "./read-metadata.ts";
import { readOnbuild } from "./read-onbuild.ts";
import { readRun } from "./read-run.ts";
import type { Reader } from "./reader.ts";
import { keywords, type Statement } from "./statement.ts";
import { trim } from "./whitespace.ts";

const readers: Readonly<Record<Instruction["kind"], Reader>> = {
  add: readAdd,
  arg: readArg,
  cmd: readCmd,
  copy: readCopy,
  entrypoint: readEntrypoint,
  env: readEnv,
  expose: readExpose,
  healthcheck: readHealthcheck,
  label: readLabel,
  maintainer: readMaintainer,
  onbuild: readOnbuild,
  run: readRun,
  shell: readShell,
  stopsignal: readStopsignal,
  user: readUser,
  volume: readVolume,
  workdir: readWorkdir,
};

/**
 * Makes an instruction of a statement that is not FROM.
 *
 * @throws WhittleError `DOCKERFILE_INVALID` when it is not known, or not used as it must be
 */
export function readInstruction(statement: Statement): Instruction {
  const kind = statement.command.toLowerCase();
  if (!isKind(kind)) {
    const { command } = statement;
    const isLower = command === kind;
    throw mistake(statement.place, `unknown instruction: ${command}`, {
      part: command,
      meant: isLower
        ? [command, keywords.map((word) => word.toLowerCase())]
        : [command.toUpperCase(), keywords],
    });
  }
  return readers[kind](statement, { place: statement.place, original: trim(statement.original) });
}

function isKind(name: string): name is Instruction["kind"] {
  return Object.hasOwn(readers, name);
}
