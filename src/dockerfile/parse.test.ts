import { describe, expect, it } from "vitest";
import { WhittleError } from "../io/index.ts";
import type { Instruction } from "./instruction.ts";
import { parseDockerfile, parseTrigger, readDockerfile } from "./parse.ts";
import { readMounts } from "./read-run.ts";

function instructionOf(source: string): Instruction {
  const [instruction] =
    parseDockerfile(`FROM scratch\n${source}`, "Dockerfile").stages[0]?.instructions ?? [];
  if (instruction === undefined) throw new Error("no instruction");
  return instruction;
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
      warnings: [
        { rule: "StageNameCasing", at: { line: 4, column: 14 } },
        { rule: "FromAsCasing", at: { line: 4, column: 11 } },
      ],
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
        message: "Empty continuation line",
        at: { line: 7 },
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
    expect(() => instructionOf("RUN --mount=from=$x ls")).toThrow(
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

describe("readDockerfile", () => {
  // What docker 28 says of it with --check, casing and names of stages aside, which it looks at when all is read.
  it("tells what is questionable above an instruction that is wrong, and of blank lines", () => {
    const read = readDockerfile(
      "FROM scratch as A\nMAINTAINER x\nCOPY --foo a \\\n\n b\nmaintainer y\nFROM x AS B\nRUN a \\\n\n b\n",
      "D",
    );
    expect(read.warnings.map(({ rule, at }) => `${at.line} ${rule}`)).toEqual([
      "5 NoEmptyContinuation",
      "10 NoEmptyContinuation",
      "1 StageNameCasing",
      "1 FromAsCasing",
      "2 MaintainerDeprecated",
    ]);
    expect(read).toMatchObject({
      file: "D",
      error: { message: expect.stringContaining("unknown flag: --foo") },
    });
  });
});
