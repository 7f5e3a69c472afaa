import { describe, expect, it } from "vitest";
import { parseDockerfile } from "../dockerfile/index.ts";
import { callOf, renderOutline, renderTargets } from "./call.ts";

describe("--call", () => {
  it.each([
    [{}, "build", "text"],
    [{ check: true }, "check", "text"],
    [{ call: "outline" }, "outline", "text"],
    [{ call: "targets,format=json" }, "targets", "json"],
    [{ call: "check", format: "json" as const }, "check", "json"],
    [{ call: "build", check: true }, "build", "text"],
  ])("%j", (flags, method, format) => {
    expect(callOf({ format: "text", ...flags })).toEqual({ method, format });
  });

  it.each(["", "lint", "outline,format=yaml", "outline,json"])("cannot be %j", (call) => {
    expect(() => callOf({ call, format: "text" })).toThrow(`Cannot use --call "${call}": build, check`);
  });
});

describe("renderTargets", () => {
  it("names the stages, the last as the default", () => {
    const { stages } = parseDockerfile("# a is \u001b[1mfirst\nFROM x AS a\nFROM a\nFROM a AS c\n", "D");
    expect(renderTargets(stages, "text")).toBe(
      "TARGET       DESCRIPTION\na            is \\x1b[1mfirst\n\nc (default)\n",
    );
    expect(JSON.parse(renderTargets(stages, "json")).targets.at(-1)).toEqual({
      name: "c",
      default: true,
      base: "a",
      location: { ranges: [{ start: { line: 4 }, end: { line: 4 } }] },
    });
  });
});

describe("renderOutline", () => {
  const outline = {
    name: "a",
    description: "is it",
    arguments: [{ name: "V", value: "1", line: 2 }],
    secrets: [{ name: "token", required: true, line: 3 }],
    agents: [{ name: "default", required: false, line: 4 }],
  };

  it("has a table of each kind that there is", () => {
    expect(renderOutline(outline, "text")).toBe(
      "TARGET: a\nDESCRIPTION: is it\n\nBUILD ARG  VALUE  DESCRIPTION\nV          1\n\nSECRET  REQUIRED\ntoken   true\n\nSSH      REQUIRED\ndefault\n",
    );
    expect(renderOutline({ arguments: [], secrets: [], agents: [] }, "text")).toBe("TARGET: (default)\n");
  });

  it("is BuildKit's result as JSON", () => {
    const at = (line: number) => ({ ranges: [{ start: { line }, end: { line } }] });
    expect(JSON.parse(renderOutline(outline, "json"))).toEqual({
      name: "a",
      description: "is it",
      args: [{ name: "V", value: "1", location: at(2) }],
      secrets: [{ name: "token", required: true, location: at(3) }],
      ssh: [{ name: "default", required: false, location: at(4) }],
    });
  });
});
