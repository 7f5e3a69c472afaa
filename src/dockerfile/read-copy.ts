import { readFlags } from "./flags.ts";
import { parseHeredoc, withoutLeadingTabs } from "./heredoc.ts";
import type { CopySource, Heredoc } from "./instruction.ts";
import { mistake } from "./place.ts";
import { nameOf, type Reader } from "./reader.ts";
import type { Statement } from "./statement.ts";

const both = { chown: "text", chmod: "text", link: "boolean", exclude: "texts" } as const;

/** Reads COPY. */
export const readCopy: Reader = (statement, common) => {
  const parts = sourcesAndDestination(statement);
  const flags = readFlags(statement, { ...both, from: "text", parents: "boolean" });
  const { exclude, ...given } = flags;
  return { ...common, ...parts(), ...withoutUndefined(given), kind: "copy", excludes: exclude };
};

/** Reads ADD. */
export const readAdd: Reader = (statement, common) => {
  const parts = sourcesAndDestination(statement);
  const flags = readFlags(statement, {
    ...both,
    checksum: "text",
    "keep-git-dir": "boolean",
    unpack: "boolean",
  });
  const { exclude, "keep-git-dir": keepGitDir, ...given } = flags;
  return {
    ...common,
    ...parts(),
    ...withoutUndefined({ ...given, keepGitDir }),
    kind: "add",
    excludes: exclude,
  };
};

type Given<Values> = { readonly [Name in keyof Values]?: Exclude<Values[Name], undefined> };

function withoutUndefined<Values extends object>(values: Values): Given<Values> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as Given<Values>;
}

interface SourcesAndDestination {
  readonly sources: readonly CopySource[];
  readonly destination: string;
}

/** Checks that there is a destination at once, and reads the rest when the flags are known to be right. */
function sourcesAndDestination(statement: Statement): () => SourcesAndDestination {
  const { words } = statement.arguments;
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2) {
    throw mistake(
      statement.place,
      `${nameOf(statement)} requires at least two arguments, but only one was provided. Destination could not be determined`,
      { hint: `write the sources and then the destination, as in "${nameOf(statement)} app.py /app/"` },
    );
  }
  return () => {
    if (parseHeredoc(destination) !== undefined) {
      throw mistake(statement.place, `${nameOf(statement)} cannot accept a heredoc as a destination`, {
        part: destination,
      });
    }
    // When one name stands twice, the content behind the last of them counts for both.
    const heredocs = new Map(statement.heredocs.map((heredoc) => [heredoc.name, heredoc]));
    return { sources: words.slice(0, -1).map((word) => sourceOf(word, heredocs)), destination };
  };
}

function sourceOf(word: string, heredocs: ReadonlyMap<string, Heredoc>): CopySource {
  const mark = parseHeredoc(word);
  if (mark === undefined) return { kind: "path", path: word };
  const content = heredocs.get(mark.name)?.content ?? "";
  return {
    kind: "heredoc",
    heredoc: { ...mark, content: mark.chomp ? withoutLeadingTabs(content) : content },
  };
}
