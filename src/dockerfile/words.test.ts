import { describe, expect, it } from "vitest";
import { ShellPattern } from "./shell-pattern.ts";
import { describeWithTables, rowsOf, tableText } from "./tables-fixture.ts";
import { expand, expandWord, expandWords } from "./words.ts";

const shell = "buildkit-shell-tables.json";

/** The expansion, or the word that the tables have for a failure. */
function orError<Result>(read: () => Result): Result | "error" {
  try {
    return read();
  } catch (error) {
    expect(error).toMatchObject({ code: "DOCKERFILE_INVALID" });
    return "error";
  }
}

describeWithTables("words expand and split as BuildKit's shell lexer has them", () => {
  it("every row of envVarTest that applies on Linux", () => {
    const variables = new Map(Object.entries({ PWD: "/home", SHELL: "bash", KOREAN: "한국어", NULL: "" }));
    const rows = tableText("envVarTest")
      .split("\n")
      .filter((line) => /^[AU]\|/.test(line))
      .map((line) => line.split("|").map((cell) => cell.trim()));
    expect(rows).toHaveLength(228);
    for (const [, source = "", wanted] of rows) {
      expect(
        orError(() => expandWord(source, variables)),
        source,
      ).toBe(wanted);
    }
  });

  it("every row of wordsTest", () => {
    const variables = new Map<string, string>();
    let count = 0;
    for (const line of tableText("wordsTest").split("\n")) {
      if (line === "" || line.startsWith("#")) continue;
      if (line.startsWith("ENV ")) {
        const [, name = "", value = ""] = /^ENV +([^=]*)=(.*)$/.exec(line) ?? [];
        variables.set(name, value);
        continue;
      }
      const [source = "", wanted = ""] = line.split("|");
      const words = orError(() => expandWords(source.trim(), variables));
      expect(words === "error" ? ["error"] : words, line).toEqual(wanted.trimStart().split(","));
      count++;
    }
    expect(count).toBe(24);
  });

  it("every row about variables that are set and not set", () => {
    const rows = rowsOf<
      {
        input: string;
        envs: Record<string, string>;
        expected?: string;
        expectedErr?: boolean;
        matches?: Record<string, unknown> | null;
        unmatched?: Record<string, unknown>;
      }[]
    >(shell, "TestProcessWithMatches", "tc");
    expect(rows).toHaveLength(47);
    for (const row of rows) {
      const result = orError(() => expand(row.input, new Map(Object.entries(row.envs))));
      if (row.expectedErr === true || result === "error") {
        expect([row.input, result]).toEqual([row.input, "error"]);
        expect(row.expectedErr).toBe(true);
        continue;
      }
      expect(result.text, row.input).toBe(row.expected);
      expect([...result.used].sort(), row.input).toEqual(Object.keys(row.matches ?? {}).sort());
      expect([...result.unset].sort(), row.input).toEqual(Object.keys(row.unmatched ?? {}).sort());
    }
  });

  it("every row about variables that are demanded", () => {
    const empty = `\${VAR:?message here$ARG}`;
    const unset = `\${VAR?message here$ARG}`;
    const environment = (variable: string): Map<string, string> =>
      new Map(
        rowsOf<string[]>(shell, "TestShellParserMandatoryEnvVars", variable).map(
          (pair) => pair.split("=") as [string, string],
        ),
      );
    expect(expandWord(empty, environment("setEnvs"))).toBe("plain");
    expect(expandWord(unset, environment("setEnvs"))).toBe("plain");
    expect(expandWord(unset, environment("emptyEnvs"))).toBe("");
    expect(() => expandWord(empty, environment("emptyEnvs"))).toThrow("VAR: message herex");
    expect(() => expandWord(empty, environment("unsetEnvs"))).toThrow("VAR: message herex");
    expect(() => expandWord(unset, environment("unsetEnvs"))).toThrow("VAR: message herex");
  });

  it("every pattern", () => {
    const asRegex = (pattern: string): string =>
      `^${new ShellPattern(pattern).tokens
        .map((token) => (token === "*" ? ".*" : token === "?" ? "." : escaped(token.literal)))
        .join("")}`;
    const escaped = (text: string): string => text.replace(/[[\]{}.+()|^$*?\\]/g, "\\$&");
    const rows = rowsOf<Record<string, string>>(shell, "TestConvertShellPatternToRegex", "cases");
    for (const [pattern, regex] of Object.entries(rows)) expect(asRegex(pattern)).toBe(regex);
    for (const pattern of rowsOf<string[]>(shell, "TestConvertShellPatternToRegex", "invalid")) {
      expect(() => new ShellPattern(pattern), pattern).toThrow("invalid escape");
    }
  });

  it("every pattern that is read backwards", () => {
    // Where BuildKit turns the text around, we turn what the text was read as: the same for every pattern that can
    // be read at all. Two rows hold escapes that neither accepts afterwards.
    const rows = rowsOf<Record<string, string>>(shell, "TestReversePattern", "cases");
    for (const [pattern, reversed] of Object.entries(rows)) {
      const tokensOf = (text: string): unknown => orRangeError(() => new ShellPattern(text).tokens);
      const backwards = orRangeError(() => new ShellPattern(pattern).reversed().tokens);
      expect(backwards, pattern).toEqual(tokensOf(reversed));
    }
  });
});

function orRangeError(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
    return "error";
  }
}

describe("words", () => {
  const variables = new Map([
    ["A", "a b"],
    ["LINES", "one\ntwo"],
  ]);

  it("take the other escape character", () => {
    expect(expandWord("c:\\dir `$A $A", variables, { escape: "`" })).toBe("c:\\dir $A a b");
    expect(expandWord('"`$A \\$A"', variables, { escape: "`" })).toBe("$A \\a b");
  });

  it("keep quotes and unset variables when asked to", () => {
    expect(expandWords("x '$A' \"$A\" $A", variables, { rawQuotes: true })).toEqual([
      "x",
      "'$A'",
      '"a b"',
      "a",
      "b",
    ]);
    const kept = `$B \${B} \${B:-x} \${B/x/y} \${B%x}`;
    expect(expandWord(kept, variables, { keepUnset: true })).toBe(kept);
    expect(expandWord("'$A' \"$A", variables, { ignoreQuotes: true })).toBe("'a b' \"a b");
  });

  it("let no wildcard match a line feed, as Go's regular expressions do", () => {
    expect(expandWord(`\${LINES#*o}`, variables)).toBe("ne\ntwo");
    expect(expandWord(`\${LINES##*o}`, variables)).toBe("ne\ntwo");
    expect(expandWord(`\${LINES//o*/X}`, variables)).toBe("X\ntwX");
  });

  it("point at the instruction that holds them when they fail", () => {
    const lines = ["ENV A=b \\", "  C='d"];
    const place = { file: "D", line: 3, endLine: 4, text: "ENV A=b \\", lines };
    expect(() => expandWord("'d", variables, { place })).toThrow(
      expect.objectContaining({
        message: expect.stringContaining(
          "unexpected end of statement while looking for matching single-quote",
        ),
        at: { file: "D", line: 4, column: 5, text: "  C='d" },
      }),
    );
  });

  it("stay quick and upright with hostile input", () => {
    const long = new Map([["A", "a".repeat(60_000)]]);
    expect(expandWord(`\${A//a*a*a*a*a*b/x}`, long)).toHaveLength(60_000);
    expect(expandWord(`\${A%%*a*a*a*a*a*c}`, long)).toHaveLength(60_000);
    expect(() => expandWord(`\${A:-`.repeat(50_000), variables)).toThrow("nested too deeply");
  });
});
