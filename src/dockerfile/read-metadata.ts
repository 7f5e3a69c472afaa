import { descriptionOf } from "./description.ts";
import { readFlags } from "./flags.ts";
import { mistake } from "./place.ts";
import { commandForm, nameOf, oneArgument, type Reader, someArguments } from "./reader.ts";
import type { Statement } from "./statement.ts";
import { trim } from "./whitespace.ts";

const none = {} as const;

function pairsOf(statement: Statement): [string, string][] {
  readFlags(statement, none);
  const words = someArguments(statement);
  const pairs: [string, string][] = [];
  for (let index = 0; index < words.length; index += 3) {
    const [name = "", value = ""] = words.slice(index, index + 2);
    if (name === "") {
      throw mistake(statement.place, `${nameOf(statement)} names can not be blank`, { part: `=${value}` });
    }
    pairs.push([name, value]);
  }
  return pairs;
}

function singleArgument(statement: Statement): string {
  const argument = oneArgument(statement);
  readFlags(statement, none);
  return argument;
}

/** The old form, `name value`, has white space between the two. */
function legacy(statement: Statement): { legacy?: true } {
  return statement.arguments.words[2] === "" ? { legacy: true } : {};
}

/** Reads ENV. */
export const readEnv: Reader = (statement, common) => ({
  ...common,
  kind: "env",
  pairs: pairsOf(statement),
  ...legacy(statement),
});

/** Reads LABEL. */
export const readLabel: Reader = (statement, common) => ({
  ...common,
  kind: "label",
  pairs: pairsOf(statement),
  ...legacy(statement),
});

/** Reads ARG. */
export const readArg = ((statement, common) => {
  readFlags(statement, none);
  const args = someArguments(statement).map((word) => {
    const equals = word.indexOf("=");
    if (equals === 0) throw mistake(statement.place, "ARG names can not be blank", { part: word });
    const name = equals === -1 ? word : word.slice(0, equals);
    const description = descriptionOf(statement.comments, name);
    return {
      name,
      ...(equals === -1 ? {} : { value: word.slice(equals + 1) }),
      ...(description === undefined ? {} : { description }),
    };
  });
  return { ...common, kind: "arg", args };
}) satisfies Reader;

/** Reads EXPOSE; the ports are sorted, as they end in the history. */
export const readExpose: Reader = (statement, common) => {
  const ports = someArguments(statement).toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  readFlags(statement, none);
  return { ...common, kind: "expose", ports };
};

/** Reads VOLUME. */
export const readVolume: Reader = (statement, common) => {
  const paths = someArguments(statement).map(trim);
  readFlags(statement, none);
  if (paths.includes("")) throw mistake(statement.place, "VOLUME specified can not be an empty string");
  return { ...common, kind: "volume", paths };
};

/** Reads USER. */
export const readUser: Reader = (statement, common) => ({
  ...common,
  kind: "user",
  user: singleArgument(statement),
});

/** Reads WORKDIR. */
export const readWorkdir: Reader = (statement, common) => ({
  ...common,
  kind: "workdir",
  path: singleArgument(statement),
});

/** Reads STOPSIGNAL. Flags before the signal have never been looked at, and are not here. */
export const readStopsignal: Reader = (statement, common) => ({
  ...common,
  kind: "stopsignal",
  signal: oneArgument(statement),
});

/** Reads MAINTAINER. */
export const readMaintainer: Reader = (statement, common) => ({
  ...common,
  kind: "maintainer",
  name: singleArgument(statement),
});

/** Reads CMD. */
export const readCmd: Reader = (statement, common) => {
  readFlags(statement, none);
  return { ...common, kind: "cmd", command: commandForm(statement) };
};

/** Reads ENTRYPOINT. */
export const readEntrypoint: Reader = (statement, common) => {
  readFlags(statement, none);
  return { ...common, kind: "entrypoint", command: commandForm(statement) };
};

/** Reads SHELL, which is a JSON array and nothing else. */
export const readShell: Reader = (statement, common) => {
  readFlags(statement, none);
  const argv = someArguments(statement);
  if (statement.arguments.json) return { ...common, kind: "shell", argv };
  throw mistake(statement.place, "SHELL requires the arguments to be in JSON form", {
    part: argv[0],
    hint: 'write it as in SHELL ["/bin/bash", "-c"], with backslashes doubled',
  });
};
