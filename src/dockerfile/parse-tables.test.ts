import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { commandArguments, quotedWords } from "./arguments.ts";
import { readDirectives } from "./directives.ts";
import { readFlags } from "./flags.ts";
import { heredocsOf, parseHeredoc, withoutLeadingTabs } from "./heredoc.ts";
import type { Instruction } from "./instruction.ts";
import { parseDockerfile } from "./parse.ts";
import { parsePorts } from "./ports.ts";
import { readInstruction } from "./read-instruction.ts";
import { sourceLines } from "./source-lines.ts";
import { parseStatement, type Statement } from "./statement.ts";
import { StatementReader } from "./statements.ts";
import { describeWithTables, rowsOf, tablePath, tableText } from "./tables.fixture.ts";

const parser = "buildkit-parser-tables.json";
const instructions = "buildkit-instructions-tables.json";

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

/** The instruction that a line stands for. */
function instructionOf(source: string): Instruction {
  const [instruction] =
    parseDockerfile(`FROM scratch\n${source}`, "Dockerfile").stages[0]?.instructions ?? [];
  if (instruction === undefined) throw new Error("no instruction");
  return instruction;
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

describeWithTables("instructions are read as BuildKit reads them", () => {
  const commandsOf = (func: string): string[] => rowsOf<string[]>(instructions, func, "commands");
  const wanted: readonly (readonly [string, string, (name: string) => string])[] = [
    ["TestCommandsExactlyOneArgument", "", (name) => `${name} requires exactly one argument`],
    ["TestCommandsAtLeastOneArgument", "", (name) => `${name} requires at least one argument`],
    ["TestCommandsNoDestinationArgument", " arg1", (name) => `${name} requires at least two arguments`],
    ["TestCommandsBlankNames", " =arg2", (name) => `${name} names can not be blank`],
  ];
  for (const [func, text, message] of wanted) {
    it(`the commands of ${func}`, () => {
      for (const name of commandsOf(func)) {
        expect(() => instructionOf(name + text), name).toThrow(message(name));
      }
    });
  }

  it("the commands of TestCommandsTooManyArguments", () => {
    // There a node is made by hand, which no text gives: a name whose value is missing. The text is refused earlier.
    for (const name of commandsOf("TestCommandsTooManyArguments")) {
      expect(() => instructionOf(`${name} arg1`)).toThrow(`${name} must have two arguments`);
      expect(() => instructionOf(`${name} a=b arg1`)).toThrow("can't find = in");
    }
  });

  it("a health check's command", () => {
    expect(rowsOf(instructions, "TestHealthCheckCmd", "expected")).toEqual(["CMD-SHELL", "hello world"]);
    expect(instructionOf("HEALTHCHECK CMD hello world")).toMatchObject({
      command: { form: "shell", command: "hello world" },
    });
  });

  it("lines that are wrong", () => {
    const rows = [
      ...rowsOf<{ dockerfile: string; expectedError: string }[]>(instructions, "TestErrorCases", "cases"),
      ...rowsOf<{ dockerfile: string; expectedError: string }[]>(
        instructions,
        "TestErrorCasesHeredoc",
        "cases",
      ),
    ];
    expect(rows).toHaveLength(7);
    for (const row of rows) expect(() => instructionOf(row.dockerfile)).toThrow(row.expectedError);
  });

  it("flags", () => {
    // Most of the flags that TestBuilderFlags gives; what it declares before each is in the name of the flags.
    const known = { str1: "text", str2: "text", str3: "text", str4: "text", bool1: "boolean" } as const;
    const booleans = { bool2: "boolean", bool3: "boolean", bool4: "boolean", bool5: "boolean" } as const;
    const place = { file: "Dockerfile", line: 1, endLine: 1, text: "", lines: [] };
    const read = (...flags: string[]): object =>
      readFlags({ ...parseStatement("COPY a b", place, "\\"), flags }, { ...known, ...booleans });
    expect(read()).toEqual({});
    expect(() => read("--str1")).toThrow("missing a value on flag: --str1");
    expect(read("--str1=")).toEqual({ str1: "" });
    expect(read("--str1=BYE")).toEqual({ str1: "BYE" });
    expect(read("--bool1")).toEqual({ bool1: true });
    expect(read("--bool1=true")).toEqual({ bool1: true });
    expect(read("--bool1=false")).toEqual({ bool1: false });
    expect(() => read("--bool1=")).toThrow("missing a value on flag: --bool1");
    expect(() => read("--bool1=false1")).toThrow("expecting boolean value for flag --bool1, not: false1");
    expect(() => read("--bool9")).toThrow("unknown flag: --bool9 (did you mean --bool1?)");
    expect(() => read("--bool1", "--bool1")).toThrow("duplicate flag specified: --bool1");
    expect(read("--bool1", "--str1=BYE")).toEqual({ bool1: true, str1: "BYE" });
    expect(
      read("--bool2=false", "--bool3", "--bool4=true", "--bool5", "--str2= ", "--str3=def3", "--str4=my-val"),
    ).toEqual({
      bool2: false,
      bool3: true,
      bool4: true,
      bool5: true,
      str2: " ",
      str3: "def3",
      str4: "my-val",
    });
  });

  it("heredocs behind COPY", () => {
    type Content = { Data: string; Expand: boolean; Path: string };
    const rows = rowsOf<
      {
        dockerfile: string;
        sourcesAndDest: { DestPath: string; SourcePaths?: string[]; SourceContents?: Content[] };
      }[]
    >(instructions, "TestCopyHeredoc", "cases");
    expect(rows).toHaveLength(8);
    for (const { dockerfile, sourcesAndDest } of rows) {
      const copy = instructionOf(dockerfile);
      if (copy.kind !== "copy") throw new Error("COPY is wanted");
      expect(copy.destination).toBe(sourcesAndDest.DestPath);
      const paths = copy.sources.flatMap((source) => (source.kind === "path" ? [source.path] : []));
      const contents = copy.sources.flatMap((source) => (source.kind === "heredoc" ? [source.heredoc] : []));
      expect(paths).toEqual(sourcesAndDest.SourcePaths ?? []);
      expect(contents.map(({ name, content, expand }) => [name, content, expand])).toEqual(
        (sourcesAndDest.SourceContents ?? []).map(({ Path, Data, Expand }) => [Path, Data, Expand ?? false]),
      );
    }
  });

  it("heredocs behind RUN", () => {
    const rows = rowsOf<
      {
        dockerfile: string;
        command: string[];
        shell: boolean;
        files?: { Name: string; Data: string; Chomp?: boolean }[];
      }[]
    >(instructions, "TestRunHeredoc", "cases");
    expect(rows).toHaveLength(6);
    for (const row of rows) {
      const run = instructionOf(row.dockerfile);
      if (run.kind !== "run") throw new Error("RUN is wanted");
      if (run.command.form === "exec") {
        expect([run.command.argv, row.shell]).toEqual([row.command, false]);
        continue;
      }
      expect([[run.command.command], row.shell]).toEqual([row.command, true]);
      expect(run.command.heredocs.map(({ name, content, chomp }) => [name, content, chomp])).toEqual(
        (row.files ?? []).map(({ Name, Data, Chomp }) => [Name, Data, Chomp ?? false]),
      );
    }
  });

  it("stages' names", () => {
    for (const name of rowsOf<string[]>(instructions, "BenchmarkParseBuildStageName", "stageNames")) {
      const [stage] = parseDockerfile(`FROM scratch AS ${name}`, "Dockerfile").stages;
      expect(stage?.name).toBe(name.toLowerCase());
    }
  });

  it("every keyword with too few, odd and too many arguments, without anything but an error that explains", () => {
    // The rows of TestNilLinter are expressions: `cmd + " a"` and the like, for each keyword.
    for (const rest of ["", " foo=bar", " a", " a b", " a b c", " 0 0"]) {
      for (const name of [
        "RUN",
        "COPY",
        "ADD",
        "ENV",
        "LABEL",
        "ARG",
        "FROM",
        "CMD",
        "ENTRYPOINT",
        "SHELL",
        "USER",
      ]) {
        try {
          const place = { file: "D", line: 1, endLine: 1, text: name + rest, lines: [name + rest] };
          readInstruction(parseStatement(name + rest, place, "\\"));
        } catch (error) {
          expect(error).toMatchObject({ code: "DOCKERFILE_INVALID" });
        }
      }
    }
  });
});
