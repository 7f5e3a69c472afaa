import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ignoreMatcher, parseIgnoreFile } from "./ignore.ts";
import { pathPattern } from "./ignore-pattern.ts";
import { patternSteps } from "./ignore-syntax.ts";
import { PathAutomaton } from "./path-automaton.ts";
import { describeWithTables, rowsOf } from "./tables-fixture.ts";

const tables = "patternmatcher-tables.json";

function isIgnored(patterns: readonly string[], path: string): boolean | "error" {
  try {
    return ignoreMatcher(patterns).matches(path);
  } catch (error) {
    expect(error).toMatchObject({ code: "DOCKERFILE_INVALID" });
    return "error";
  }
}

describeWithTables(".dockerignore matches as moby/patternmatcher does", () => {
  it("every pattern", () => {
    const rows = rowsOf<{ pattern: string; text: string; pass: boolean }[]>(tables, "TestMatches", "tests");
    expect(rows).toHaveLength(67);
    for (const row of rows) expect({ ...row, pass: isIgnored([row.pattern], row.text) }).toEqual(row);
  });

  it("every list of patterns", () => {
    const rows = rowsOf<{ patterns: string[]; text: string; pass: boolean }[]>(
      tables,
      "TestMatches",
      "multiPatternTests",
    );
    expect(rows).toHaveLength(4);
    for (const row of rows) expect({ ...row, pass: isIgnored(row.patterns, row.text) }).toEqual(row);
  });

  it("every pattern of Go's filepath.Match", () => {
    const rows = rowsOf<{ pattern: string; s: string; match: boolean; err: unknown }[]>(
      tables,
      "",
      "matchTests",
    );
    expect(rows).toHaveLength(54);
    for (const row of rows) {
      const wanted = row.err === null ? row.match : "error";
      expect([row.pattern, row.s, isIgnored([row.pattern], row.s)]).toEqual([row.pattern, row.s, wanted]);
    }
  });

  it("every pattern that is compiled, like the regular expression it becomes there", () => {
    const rows = rowsOf<{ pattern: string; compiledRegexp: string; matchType: { $ident: string } }[]>(
      tables,
      "",
      "compileTests",
    );
    expect(rows).toHaveLength(21);
    const paths = [
      "file",
      "files",
      "a",
      "ab/b",
      "dir",
      "dir/x",
      "x/dir",
      "x/dir2/y",
      "x/dir2/y/z",
      "a/b.txt",
    ].concat(
      [
        "filetxt",
        "x/fileatxt",
        "ace",
        "aze",
        ".x",
        "x",
        "abc.def",
        "abcxdef",
        "foo/bar",
        "x/foo/bar",
        "a(b)c/def",
      ],
      [
        "a.|)$(}+{bc",
        "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
        "a/x.txt/y",
        "myfile",
        "d/myfile",
      ],
    );
    for (const { pattern, compiledRegexp, matchType } of rows) {
      const plain: Record<string, (path: string) => boolean> = {
        exactMatch: (path) => path === pattern,
        prefixMatch: (path) => path.startsWith(pattern.slice(0, -2)),
        suffixMatch: (path) => path.endsWith(pattern.slice(2)) || `/${path}` === pattern.slice(2),
      };
      const regex = new RegExp(compiledRegexp, "u");
      for (const path of paths) {
        const wanted = plain[matchType.$ident]?.(path) ?? regex.test(path);
        expect([pattern, path, pathPattern(pattern).matches(path)]).toEqual([pattern, path, wanted]);
      }
    }
  });

  it("every list that is cleaned", () => {
    const cleaned: Record<string, readonly string[]> = {
      TestCleanPatterns: ["docs", "config"],
      TestCleanPatternsStripEmptyPatterns: ["docs", "config"],
      TestCleanPatternsExceptionFlag: ["docs", "!docs/README.md"],
      TestCleanPatternsLeadingSpaceTrimmed: ["docs", "!docs/README.md"],
      TestCleanPatternsTrailingSpaceTrimmed: ["docs", "!docs/README.md"],
    };
    for (const [name, wanted] of Object.entries(cleaned)) {
      const patterns = rowsOf<string[]>(tables, name, "patterns");
      expect(ignoreMatcher(patterns).patterns, name).toEqual(wanted);
    }
    const alone = rowsOf<string[]>(tables, "TestCleanPatternsErrorSingleException", "patterns");
    expect(() => ignoreMatcher(alone)).toThrow('illegal exclusion pattern: "!"');
  });

  it("the file that is read", () => {
    const content =
      "test1\n/test2\n/a/file/here\n\nlastfile\n# this is a comment\n! /inverted/abs/path\n!\n! ";
    expect(parseIgnoreFile(content, ".dockerignore")).toEqual(rowsOf(tables, "TestReadAll", "expected"));
  });
});

describe(".dockerignore", () => {
  it("is read with a byte order mark, Windows line ends and comments only at the start of a line", () => {
    const source = "\uFEFF# comment\r\n  a/./b/../c/  \r\n # no comment\r\n! /x/ \r\n";
    expect(parseIgnoreFile(source, ".dockerignore")).toEqual(["a/c", "# no comment", "!x"]);
  });

  it("takes back what is below a directory that is left out", () => {
    const matcher = ignoreMatcher(["node_modules", "!node_modules/keep/*.js", "node_modules/keep/no.js"]);
    expect(matcher.matches("node_modules/a/b")).toBe(true);
    expect(matcher.matches("node_modules/keep")).toBe(true);
    expect(matcher.matches("node_modules/keep/yes.js")).toBe(false);
    expect(matcher.matches("node_modules/keep/no.js")).toBe(true);
    expect(matcher.couldMatchBelow("node_modules")).toBe(true);
    expect(matcher.couldMatchBelow("node_modules/keep")).toBe(true);
    expect(matcher.couldMatchBelow("node_modules/other")).toBe(false);
    expect(ignoreMatcher(["a", "!**/x"]).couldMatchBelow("a")).toBe(true);
    expect(ignoreMatcher(["a", "!b/**"]).couldMatchBelow("a")).toBe(false);
    expect(ignoreMatcher(["a"]).couldMatchBelow("a")).toBe(false);
  });

  it("lets an exception of a directory that was not left out count for nothing below it", () => {
    // The exception is not asked for "a", which nothing left out, and does not match "a/b" itself.
    expect(ignoreMatcher(["a/b", "!a"]).matches("a/b")).toBe(true);
    expect(ignoreMatcher(["a", "!a"]).matches("a/b")).toBe(false);
  });

  const part = fc.stringMatching(/^[ab.]{1,3}$/);
  const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  // A lone slash behind "!" is cleaned away, which leaves no pattern.
  const pattern = fc
    .stringMatching(/^(?:[ab.*?/]|\*\*|\*\*\/|\[ab\]|\[\^a\]){1,8}$/)
    .filter((text) => !/^[./]*$/.test(text));

  it("agrees with regular expressions made as moby makes them", () => {
    const regexOf = (text: string): RegExp => {
      const body = text.replace(/\*\*\/?$|\*\*\/?|\*|\?|\[\^?[ab]+\]|[.]/g, (found, at: number) => {
        if (found.startsWith("**")) return at + found.length === text.length ? ".*" : "(.*/)?";
        return { "*": "[^/]*", "?": "[^/]", ".": "\\." }[found] ?? found;
      });
      return new RegExp(`^${body}$`);
    };
    fc.assert(
      fc.property(pattern, path, (text, name) => {
        expect(new PathAutomaton(patternSteps(text)).matches(name)).toBe(regexOf(text).test(name));
      }),
      { numRuns: 2000 },
    );
  });

  it("never says that a directory need not be walked when something in it is taken back", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), pattern), { maxLength: 5 }), path, (list, name) => {
        const matcher = ignoreMatcher(list.map(([negated, text]) => (negated ? `!${text}` : text)));
        const parts = name.split("/");
        for (let length = 1; length < parts.length; length++) {
          const directory = parts.slice(0, length).join("/");
          if (!matcher.matches(directory) || matcher.couldMatchBelow(directory)) continue;
          expect(matcher.matches(name)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("takes no longer for patterns with many wildcards", () => {
    const matcher = ignoreMatcher([`${"**/*a*a*a*a*a*a".repeat(5)}b`]);
    expect(matcher.matches(`${"a".repeat(255)}/`.repeat(15))).toBe(false);
  });

  it("takes any pattern, or says what is wrong with it", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, name) => {
        expect([true, false, "error"]).toContain(isIgnored(parseIgnoreFile(text, "x"), name));
      }),
    );
  });
});
