import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { commandArguments, quotedWords } from "./arguments.ts";
import { readDirectives } from "./directives.ts";
import { heredocsOf, parseHeredoc, withoutLeadingTabs } from "./heredoc.ts";
import { parsePorts } from "./ports.ts";
import { sourceLines } from "./source-lines.ts";
import type { Statement } from "./statement.ts";
import { StatementReader } from "./statements.ts";
import { describeWithTables, rowsOf, tablePath, tableText } from "./tables-fixture.ts";

const parser = "buildkit-parser-tables.json";

function statementsOf(source: string): Statement[] {
  const lines = sourceLines(source, "Dockerfile");
  return new StatementReader(lines, "Dockerfile", readDirectives(lines, "Dockerfile").escape).readAll();
}

/** A text as Go's `%q` quotes it, as far as the results need it. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/\\u00([0-9a-f]{2})/g, "\\x$1");
}

/** A statement as BuildKit's parser prints it. */
function printed(statement: Statement): string {
  const flags = statement.flags.length === 0 ? "" : ` [${statement.flags.map(quoted).join(" ")}]`;
  const words = statement.trigger
    ? ` (${printed(statement.trigger)})`
    : statement.arguments.words.map((word) => ` ${quoted(word)}`).join("");
  return `${statement.command.toLowerCase()}${flags}${words}`;
}

describeWithTables("Dockerfiles are taken apart as BuildKit's parser does", () => {
  const files = tableText("envVarTest") === "" ? [] : readdirSync(tablePath("dockerfile-testfiles"));
  for (const name of files) {
    it(`the file ${name}`, () => {
      const source = tableText(`dockerfile-testfiles/${name}/Dockerfile`);
      const result = tableText(`dockerfile-testfiles/${name}/result`);
      const text = statementsOf(source).map((statement) => `(${printed(statement)})\n`);
      expect(text.join("")).toBe(result);
    });
  }

  const negative = files.length === 0 ? [] : readdirSync(tablePath("dockerfile-testfiles-negative"));
  for (const name of negative) {
    it(`refuses the file ${name}`, () => {
      const path = tablePath(`dockerfile-testfiles-negative/${name}/Dockerfile`);
      expect(() => statementsOf(readFileSync(path, "utf8"))).toThrow(
        expect.objectContaining({ code: "DOCKERFILE_INVALID" }),
      );
    });
  }

  it("every list of words", () => {
    const rows = rowsOf<{ input: [string]; expect: string[] }[]>(parser, "TestParseWords", "tests");
    expect(rows).toHaveLength(8);
    for (const row of rows) expect(quotedWords(row.input[0], "\\")).toEqual(row.expect);
  });

  it("every JSON form", () => {
    const valid = rowsOf<Record<string, string[]>>(parser, "", "validJSONArraysOfStrings");
    expect(Object.keys(valid)).toHaveLength(8);
    for (const [text, words] of Object.entries(valid)) {
      expect(commandArguments(text), text).toEqual({ words, json: true });
    }
    for (const text of rowsOf<string[]>(parser, "", "invalidJSONArraysOfStrings")) {
      expect(() => commandArguments(text), text).toThrow("arrays must be comprised of strings only");
    }
  });

  it("every word that starts a heredoc, or does not", () => {
    for (const word of rowsOf<string[]>(parser, "TestParseHeredocHelpers", "validHeredocs")) {
      expect(parseHeredoc(word), word).toMatchObject({ name: "EOF" });
    }
    for (const word of rowsOf<string[]>(parser, "TestParseHeredocHelpers", "invalidHeredocs")) {
      expect(() => parseHeredoc(word), word).toThrow("unexpected end of statement");
    }
    for (const word of rowsOf<string[]>(parser, "TestParseHeredocHelpers", "notHeredocs")) {
      expect(parseHeredoc(word), word).toBeUndefined();
    }
  });

  it("every line that starts heredocs", () => {
    const rows = rowsOf<{ line: string; heredocNames: string[] | null }[]>(
      parser,
      "TestHeredocsFromLine",
      "srcs",
    );
    expect(rows).toHaveLength(10);
    for (const { line, heredocNames } of rows) {
      expect(
        heredocsOf(line).map(({ name }) => name),
        line,
      ).toEqual(heredocNames ?? []);
    }
  });

  it("the contents of heredocs", () => {
    type Row =
      | { Name: string; Content: string; Expand: boolean; Chomp?: boolean; FileDescriptor?: number }[]
      | null;
    const rows = rowsOf<Row[]>(parser, "TestParseExtractsHeredoc", "tests");
    expect(rows).toHaveLength(27);
    // The tables have what comes out, not the file: one that must give that is written here.
    const lines = rows.map((row) => {
      if (row === null) return 'RUN "<<NONE"\n';
      const marks = row.map(({ Name, Expand, Chomp, FileDescriptor }) => {
        const name = Name.replace(/['"]/g, "\\$&");
        const shown = Expand ? name : Name.includes("'") ? `"${Name}"` : `'${Name}'`;
        return `${FileDescriptor ?? ""}<<${Chomp === true ? "-" : ""}${shown}`;
      });
      const contents = row.map(({ Name, Content }) => `${Content}${Name}\n`);
      return `COPY ${marks.join(" ")} /dest\n${contents.join("")}`;
    });
    const statements = statementsOf(lines.join("\n"));
    for (const [index, row] of rows.entries()) {
      const found = statements[index]?.heredocs ?? [];
      const wanted = (row ?? []).map((heredoc) => ({
        name: heredoc.Name,
        content: heredoc.Content,
        expand: heredoc.Expand,
        chomp: heredoc.Chomp ?? false,
        ...(heredoc.FileDescriptor === undefined ? {} : { fileDescriptor: heredoc.FileDescriptor }),
      }));
      expect(found, statements[index]?.original).toEqual(wanted);
    }
    expect(withoutLeadingTabs("\thello\n\tworld\n")).toBe("hello\nworld\n");
  });

  it("the lines where instructions stand", () => {
    const rows = rowsOf<[number, number][]>(parser, "TestParseIncludesLineNumbers", "expected");
    // The file that these rows belong to is not in the tables; this one has its instructions on the same lines.
    const source = `${"\n".repeat(4)}FROM a\n${"\n".repeat(5)}RUN b \\\n  c\n${"\n".repeat(4)}RUN ${"d \\\n".repeat(14)}e\n`;
    expect(statementsOf(source).map(({ place }) => [place.line, place.endLine])).toEqual(rows);
  });

  it("ports that EXPOSE names", () => {
    const tables = "buildkit-dockerfile2llb-tables.json";
    const refused = rowsOf<{ spec: string; expError: string }[]>(
      tables,
      "TestParsePortEmptyContainerPort",
      "tests",
    );
    expect(refused).toHaveLength(3);
    for (const { spec, expError } of refused) expect(() => parsePorts(spec)).toThrow(expError);
    const read = rowsOf<{ spec: string; expected: string[] }[]>(tables, "TestPartPortIPV6", "cases");
    expect(read).toHaveLength(5);
    for (const { spec, expected } of read) expect(parsePorts(spec), spec).toEqual(expected);
    // The other tables of that file are about environments, configs and platforms, not about syntax.
  });
});
