import { describe, expect, it } from "vitest";
import { formatGitReference, type GitReference, parseGitReference } from "./git-reference.ts";
import { describeWithTables, rowsOf } from "./tables-fixture.ts";

const tables = "buildkit-dfgitutil-tables.json";

/** The names that the tables have for the fields; what is not set is left out. */
function asRow(reference: GitReference | undefined): Record<string, unknown> | null {
  if (reference === undefined) return null;
  const row = {
    $type: "GitRef",
    Remote: reference.remote,
    ShortName: reference.shortName,
    Ref: reference.ref,
    Checksum: reference.checksum,
    SubDir: reference.subdirectory,
    IndistinguishableFromLocal: reference.looksLocal,
    UnencryptedTCP: reference.unencrypted,
    MTime: reference.mtime,
    FetchByCommit: reference.fetchByCommit === true ? true : undefined,
  };
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));
}

describeWithTables("git references are BuildKit's", () => {
  it("every address", () => {
    const rows = rowsOf<{ ref: string; expected?: object | null; err?: string }[]>(
      tables,
      "TestParseGitRef",
      "cases",
    );
    expect(rows).toHaveLength(39);
    for (const { ref, expected, err } of rows) {
      if (err === undefined) expect([ref, asRow(parseGitReference(ref))]).toEqual([ref, expected]);
      else expect(() => parseGitReference(ref), ref).toThrow(err);
    }
  });

  for (const [name, subdirectory, count] of [
    ["TestFragmentFormat", false, 31],
    ["TestFragmentFormatWithSubdir", true, 6],
  ] as const) {
    it(`every row of ${name}`, () => {
      const rows = rowsOf<{ ref: string; expected: string; ok: boolean }[]>(tables, name, "cases");
      expect(rows).toHaveLength(count);
      for (const { ref, expected, ok } of rows) {
        const read = (): string => {
          const reference = parseGitReference(ref);
          return reference === undefined ? ref : formatGitReference(reference, { subdirectory });
        };
        if (ok || !/[?]/.test(ref)) expect(read()).toBe(expected);
        else expect(read, ref).toThrow("Cannot use the git repository");
      }
    });
  }
});

describe("a git reference", () => {
  it("is read back from its address", () => {
    const text = "ssh://git@example.com/a/b#main:dir/sub";
    const reference = parseGitReference(text);
    expect(reference).toMatchObject({ ref: "main", subdirectory: "dir/sub", shortName: "b" });
    expect(reference && formatGitReference(reference, { subdirectory: true })).toBe(text);
  });

  it("takes the commit for the ref when there is none", () => {
    expect(parseGitReference("https://example.com/a.git?commit=abc")).toMatchObject({
      ref: "abc",
      checksum: "abc",
    });
    expect(parseGitReference("https://example.com/a.git?keep-git-dir=false")).toMatchObject({
      keepGitDir: false,
    });
  });

  it("does not show what stands in an address as a password", () => {
    expect(() => parseGitReference("https://u:secret@example.com/a.git?x=1")).not.toThrow("secret");
  });
});
