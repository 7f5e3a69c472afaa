import { expect, it } from "vitest";
import { readFlags } from "./flags.ts";
import type { Instruction } from "./instruction.ts";
import { parseDockerfile } from "./parse.ts";
import { readInstruction } from "./read-instruction.ts";
import { parseStatement } from "./statement.ts";
import { describeWithTables, rowsOf } from "./tables-fixture.ts";

const instructions = "buildkit-instructions-tables.json";

/** The instruction that a line stands for. */
function instructionOf(source: string): Instruction {
  const [instruction] =
    parseDockerfile(`FROM scratch\n${source}`, "Dockerfile").stages[0]?.instructions ?? [];
  if (instruction === undefined) throw new Error("no instruction");
  return instruction;
}

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
