import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WhittleError } from "../io/index.ts";
import type { Instruction } from "./instruction.ts";
import { parseDockerfile, parseTrigger } from "./parse.ts";
import { readMounts } from "./read-run.ts";

function instructionOf(source: string): Instruction {
  const [instruction] =
    parseDockerfile(`FROM scratch\n${source}`, "Dockerfile").stages[0]?.instructions ?? [];
  if (instruction === undefined) throw new Error("no instruction");
  return instruction;
}

function failureOf(source: string): WhittleError {
  try {
    parseDockerfile(source, "Dockerfile");
  } catch (error) {
    if (error instanceof WhittleError) return error;
    throw error;
  }
  throw new Error("it was read");
}

describe("a Dockerfile", () => {
  it("has directives, global arguments and stages", () => {
    const source =
      "\uFEFF# syntax=docker/dockerfile:1\r\n# check=skip=all\r\nARG V=1 W\r\nFROM a:$V as Base\r\nRUN x\r\nFROM --platform=linux/arm64 base\r\n";
    expect(parseDockerfile(source, "D")).toMatchObject({
      file: "D",
      escape: "\\",
      syntax: "docker/dockerfile:1",
      check: "skip=all",
      globalArguments: [{ args: [{ name: "V", value: "1" }, { name: "W" }] }],
      stages: [
        { base: "a:$V", name: "base", original: "FROM a:$V as Base", instructions: [{ kind: "run" }] },
        { base: "base", platform: "linux/arm64", instructions: [] },
      ],
      warnings: [{ rule: "StageNameCasing", at: { line: 4, column: 14 } }],
    });
  });

  it("has directives behind a first line for the shell, but no escape there", () => {
    const source = "#!/usr/bin/x\n# syntax=a\n# escape=`\nFROM a\nRUN b \\\n c\n";
    expect(parseDockerfile(source, "D")).toMatchObject({ syntax: "a", escape: "\\" });
  });

  it("joins continued lines, whatever comments and blank lines stand between them", () => {
    const source = "FROM a\nRUN one \\\n# comment\n\n  two\\  \n   # comment\nthree\nENV A=\\\\\n";
    const { stages, warnings } = parseDockerfile(source, "D");
    expect(stages[0]?.instructions).toMatchObject([
      { original: "RUN one   twothree", place: { line: 2, endLine: 7 } },
      { kind: "env", pairs: [["A", "\\\\"]], place: { line: 8, endLine: 8 } },
    ]);
    expect(warnings).toMatchObject([
      {
        rule: "NoEmptyContinuation",
        message: "Empty continuation line found in: RUN one   twothree",
        at: { line: 4 },
      },
    ]);
  });

  it("takes the other escape character", () => {
    const source = "# escape=`\nFROM a\nRUN dir c:\\ `\n  /w\nENV A=b` c\\ B=d\n";
    expect(parseDockerfile(source, "D").stages[0]?.instructions).toMatchObject([
      { command: { command: "dir c:\\   /w" } },
      {
        pairs: [
          ["A", "b` c\\"],
          ["B", "d"],
        ],
      },
    ]);
  });

  it("keeps the line ends of heredocs", () => {
    expect(instructionOf("COPY <<A <<-'B' /d/\r\nx\r\nA\r\n\ty\r\n\tB\r\n")).toMatchObject({
      sources: [
        { heredoc: { name: "A", content: "x\r\n", expand: true } },
        { heredoc: { name: "B", content: "y\r\n", expand: false } },
      ],
      destination: "/d/",
    });
  });

  it("has heredocs only behind RUN, COPY and ADD that are no JSON", () => {
    expect(instructionOf('RUN ["<<A"]')).toMatchObject({ command: { form: "exec", argv: ["<<A"] } });
    expect(instructionOf("CMD <<A")).toMatchObject({ command: { command: "<<A", heredocs: [] } });
    expect(instructionOf("RUN <<'a b' cat\nx\na b")).toMatchObject({
      command: { heredocs: [{ name: "a b" }] },
    });
  });

  it("warns of what is old or doubtful", () => {
    const source = "FROM a AS x\nMAINTAINER me\nENV a b\nLABEL a b\nFROM a AS x\n";
    expect(parseDockerfile(source, "D").warnings.map(({ rule, at }) => [rule, at.line, at.column])).toEqual([
      ["MaintainerDeprecated", 2, 1],
      ["LegacyKeyValueFormat", 3, 1],
      ["LegacyKeyValueFormat", 4, 1],
      ["DuplicateStageName", 5, 11],
    ]);
  });
});

describe("an instruction", () => {
  it("may be COPY or ADD with every flag", () => {
    const copy = "COPY --from=x --chown=1:2 --chmod=u+x --link --parents --exclude=*.a --exclude=*.b a b /c/";
    expect(instructionOf(copy)).toMatchObject({
      kind: "copy",
      from: "x",
      chown: "1:2",
      chmod: "u+x",
      link: true,
      parents: true,
      excludes: ["*.a", "*.b"],
      sources: [{ path: "a" }, { path: "b" }],
      destination: "/c/",
    });
    const add = 'ADD --keep-git-dir=false --unpack --checksum=sha256:00 ["a b", "/c"]';
    expect(instructionOf(add)).toEqual(
      expect.objectContaining({
        kind: "add",
        keepGitDir: false,
        unpack: true,
        checksum: "sha256:00",
        excludes: [],
        sources: [{ kind: "path", path: "a b" }],
      }),
    );
    expect(instructionOf("COPY a b")).not.toHaveProperty("from");
  });

  it("may be RUN with mounts", () => {
    const run = instructionOf(
      'RUN --mount=type=cache,target=/c,sharing=locked,id=$I,mode=0750 --mount=type=secret,id=s,env=S,required --mount=from=x,rw,target=/y --mount="type=tmpfs,\\"target=/a,b\\",size=64m" --network=none --security=insecure ls',
    );
    if (run.kind !== "run") throw new Error("RUN is wanted");
    expect(run).toMatchObject({ network: "none", security: "insecure", command: { command: "ls" } });
    expect(run.mounts.map(({ type }) => type)).toEqual(["secret", "bind", "tmpfs"]);
    expect(readMounts(run, (text) => text.replace("$I", "one"))).toEqual([
      { type: "cache", target: "/c", sharing: "locked", id: "one", mode: 0o750 },
      { type: "secret", id: "s", env: "S", required: true },
      { type: "bind", from: "x", readOnly: false, target: "/y" },
      { type: "tmpfs", target: "/a,b", size: 64 * 1024 * 1024 },
    ]);
  });

  it("may have mounts that are wrong, which shows when they are read", () => {
    const messageOf = (mount: string): string => {
      const run = instructionOf(`RUN --mount=${mount} ls`);
      try {
        if (run.kind === "run") readMounts(run);
      } catch (error) {
        if (error instanceof WhittleError) return error.message.replace(/^.* on line 2: /, "");
      }
      return "";
    };
    expect(messageOf("typ=tmpfs")).toBe("unexpected key 'typ' in 'typ=tmpfs' (did you mean type?)");
    expect(messageOf("type=tmp")).toBe('unsupported mount type "tmp" (did you mean tmpfs?)');
    expect(messageOf("type=cache,sharing=lockd")).toBe(
      'unsupported sharing value "lockd" (did you mean locked?)',
    );
    expect(messageOf("target")).toBe("invalid field 'target' must be a key=value pair");
    expect(messageOf("type=bind,required")).toBe("unexpected key 'required' for mount type 'bind'");
    expect(messageOf("type=tmpfs,mode=7")).toBe('mode not allowed for "tmpfs" type mounts');
    expect(messageOf("type=secret")).toBe("invalid secret mount. one of source, target required");
    expect(messageOf("type=cache,mode=9")).toBe("invalid value 9 for mode");
    expect(messageOf("ro=maybe")).toBe("invalid value for ro: maybe");
    expect(failureOf("FROM a\nRUN --mount=from=$x ls").message).toContain(
      "'from' doesn't support variable expansion",
    );
  });

  it("may be HEALTHCHECK with every option", () => {
    const check =
      'HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=300ms --start-interval=0 --retries=3 CMD ["a", "b"]';
    expect(instructionOf(check)).toMatchObject({
      none: false,
      command: { form: "exec", argv: ["a", "b"] },
      interval: 90e9,
      timeout: 1.5e9,
      startPeriod: 300e6,
      startInterval: 0,
      retries: 3,
    });
    expect(instructionOf("HEALTHCHECK none")).toMatchObject({ none: true });
  });

  it("may be any of the others", () => {
    expect(instructionOf("EXPOSE 80 443/udp 8000-8002")).toMatchObject({
      ports: ["443/udp", "80", "8000-8002"],
    });
    expect(instructionOf('VOLUME ["/a", " /b "]')).toMatchObject({ paths: ["/a", "/b"] });
    expect(instructionOf("LABEL a='b c' \"d e\"=f\\ g")).toMatchObject({
      pairs: [
        ["a", "'b c'"],
        ['"d e"', "f\\ g"],
      ],
    });
    expect(instructionOf("ENV A  b c ")).toMatchObject({ pairs: [["A", "b c"]] });
    expect(instructionOf('SHELL ["/bin/bash", "-c"]')).toMatchObject({ argv: ["/bin/bash", "-c"] });
    expect(instructionOf("ENTRYPOINT []")).toMatchObject({ command: { form: "exec", argv: [] } });
    expect(instructionOf("STOPSIGNAL SIGTERM")).toMatchObject({ signal: "SIGTERM" });
    expect(instructionOf("CMD [\"a\", 'b']")).toMatchObject({
      command: { form: "shell", command: "[\"a\", 'b']" },
    });
  });

  it("may be ONBUILD, and triggers as one of its own", () => {
    const onbuild = instructionOf("onbuild COPY <<A /x\nbody\nA\n");
    expect(onbuild).toMatchObject({ kind: "onbuild", expression: "COPY <<A /x\nbody\nA" });
    if (onbuild.kind !== "onbuild") throw new Error("ONBUILD is wanted");
    expect(parseTrigger(onbuild.expression, onbuild.place)).toMatchObject({
      kind: "copy",
      sources: [{ heredoc: { content: "body\n" } }],
      place: { line: 2 },
    });
    expect(() => parseTrigger("RUN a\nRUN b", onbuild.place)).toThrow("should be a single expression");
    expect(() => parseTrigger("FROM a", onbuild.place)).toThrow("FROM isn't allowed");
  });
});

describe("a mistake in a Dockerfile", () => {
  const mistakes: readonly (readonly [string, string, number, number])[] = [
    ["FROM a\n  RNU x", "unknown instruction: RNU (did you mean RUN?)", 2, 3],
    ["FROM a\nCOPY --form=b x y", "unknown flag: --form (did you mean --from?)", 2, 6],
    ["FROM a\nCOPY \\\n  --link=no x y", "expecting boolean value for flag --link, not: no", 3, 3],
    [
      "FROM a\nRUN --network=hst x",
      'invalid network mode "hst", one of default, none, host is wanted',
      2,
      15,
    ],
    ["FROM a AS 1st", 'invalid name for build stage: "1st"', 1, 11],
    ["FROM a b", "FROM requires either one or three arguments", 1, 8],
    ["RUN x", "no build stage in current context", 1, 1],
    ["FROM a\nENV A=b c", 'can\'t find = in "c"', 2, 9],
    ["FROM a\nHEALTHCHECK --interval=5 CMD x", 'missing unit in duration "5"', 2, 24],
    ["FROM a\nHEALTHCHECK --retries=x CMD x", "--retries is not a whole number", 2, 23],
    ["FROM a\nRUN <<EOF\nx", "unterminated heredoc", 2, 7],
    ["FROM a\nSHELL /bin/sh", "SHELL requires the arguments to be in JSON form", 2, 7],
    ['FROM a\nCMD ["a", 1]', "arrays must be comprised of strings only", 2, 5],
    ["# escape=x\nFROM a", "invalid escape token 'x' does not match", 1, 1],
    ["# syntax=x\n# syntax=y\nFROM a", "only one syntax parser directive can be used", 2, 1],
  ];
  for (const [source, message, line, column] of mistakes) {
    it(`is shown where it is: ${message}`, () => {
      const failure = failureOf(source);
      expect(failure.code).toBe("DOCKERFILE_INVALID");
      expect(failure.message).toContain(message);
      expect(failure.at).toMatchObject({ file: "Dockerfile", line, column });
      expect(failure.at?.text).toBe(source.split("\n")[line - 1]);
    });
  }

  it("is shown before an instruction that is only used wrongly, as in BuildKit", () => {
    expect(failureOf("FROM a\nFOO\nENV x").at?.line).toBe(3);
  });

  it("may be its size", () => {
    expect(failureOf("").message).toContain("file with no instructions");
    expect(failureOf("# only\n").message).toContain("file with no instructions");
    expect(failureOf("ARG x").message).toContain("dockerfile contains no stages to build");
    expect(failureOf(`FROM a\nLABEL x=${"a".repeat(65_536)}`)).toMatchObject({
      message: expect.stringContaining("dockerfile line greater than max allowed size of 65535"),
      at: { line: 2 },
    });
    expect(failureOf("#\n".repeat(3_000_000)).message).toContain("larger than");
    expect(failureOf(`FROM a\n${"RUN x\n".repeat(10_000)}`).message).toContain(
      "more than 10000 instructions",
    );
    expect(failureOf("FROM a\n".repeat(10_001)).message).toContain("more than 10000 instructions");
  });
});

describe("the parser", () => {
  const piece = fc.constantFrom(
    "FROM a",
    "RUN ",
    "COPY ",
    "ENV ",
    "LABEL ",
    "ARG ",
    "HEALTHCHECK ",
    "CMD",
    "ONBUILD ",
    "SHELL ",
    "VOLUME ",
    "EXPOSE ",
    "\n",
    "\n",
    "\\\n",
    "\\",
    "`",
    "<<EOF",
    "<<-",
    "EOF\n",
    "--mount=type=cache",
    "--",
    "--from=",
    " ",
    "\t",
    '"',
    "'",
    "[",
    "]",
    ",",
    "=",
    "$",
    "${",
    "}",
    "#",
    "# escape=`\n",
    "\r\n",
    "\uFEFF",
    "é",
    "💥",
    "\ud800",
    "a",
    "1s",
    "\0",
    "\u0085",
  );

  it("reads any text, or says what is wrong with it", () => {
    const text = fc.oneof(
      fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join("")),
      fc.array(piece, { maxLength: 40 }).map((pieces) => `FROM a\n${pieces.join("")}`),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(text, (source) => {
        try {
          const { stages } = parseDockerfile(source, "D");
          for (const instruction of stages.flatMap((stage) => stage.instructions)) {
            if (instruction.kind === "run") readMounts(instruction);
            if (instruction.kind === "onbuild") parseTrigger(instruction.expression, instruction.place);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(WhittleError);
          expect(error).toMatchObject({ code: "DOCKERFILE_INVALID" });
        }
      }),
      { numRuns: 3000 },
    );
  });

  const name = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,8}$/);
  const word = fc.stringMatching(/^[a-zA-Z0-9/._$-]{1,10}$/).filter((text) => !/^(?:--|#|<<)/.test(text));
  const argv = fc.array(fc.string({ unit: "grapheme" }), { maxLength: 4 });
  const line: fc.Arbitrary<readonly [string, object]> = fc.oneof(
    argv.map(
      (words) =>
        [`CMD ${JSON.stringify(words)}`, { kind: "cmd", command: { form: "exec", argv: words } }] as const,
    ),
    fc
      .array(fc.tuple(name, word), { minLength: 1, maxLength: 3 })
      .map(
        (pairs) =>
          [
            `ENV ${pairs.map(([key, value]) => `${key}=${value}`).join(" ")}`,
            { kind: "env", pairs },
          ] as const,
      ),
    fc
      .tuple(fc.array(word, { minLength: 1, maxLength: 3 }), word, fc.boolean())
      .map(
        ([sources, destination, link]) =>
          [
            `COPY --link=${link} ${sources.join(" \\\n ")} ${destination}`,
            { kind: "copy", sources: sources.map((path) => ({ kind: "path", path })), destination, link },
          ] as const,
      ),
    fc.tuple(name, fc.array(word, { maxLength: 3 })).map(([mark, lines]) => {
      const content = lines.map((text) => `${text} x\n`).join("");
      return [
        `RUN <<${mark}\n${content}${mark}`,
        { kind: "run", command: { heredocs: [{ name: mark, content }] } },
      ] as const;
    }),
    word.map((path) => [`WORKDIR ${path}`, { kind: "workdir", path }] as const),
  );

  it("gives back what was written", () => {
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 8 }),
        fc.constantFrom("\n", "\n\n# comment\n"),
        (lines, between) => {
          const source = ["FROM scratch", ...lines.map(([text]) => text)].join(between);
          const [stage] = parseDockerfile(source, "D").stages;
          expect(stage?.instructions).toMatchObject(lines.map(([, instruction]) => instruction));
        },
      ),
    );
  });

  it("takes no more than its time for texts made to slow it down", () => {
    const hostile = [
      `RUN ${"\\\n".repeat(100_000)}x`,
      `RUN <<${" ".repeat(60_000)}<`,
      `ENV ${"a=b ".repeat(16_000)}`,
      `RUN ${"<<".repeat(30_000)}`,
      `CMD ${"[".repeat(60_000)}`,
      `ENV a ${"\\ ".repeat(30_000)}`,
      `${"ONBUILD ".repeat(8_000)}RUN x`,
      `RUN ${"--mount=a ".repeat(6_000)}`,
      ` ${" ".repeat(65_000)}`,
    ];
    for (const text of hostile) {
      try {
        parseDockerfile(`FROM a\n${text}`, "D");
      } catch (error) {
        expect(error).toBeInstanceOf(WhittleError);
      }
    }
  });
});
