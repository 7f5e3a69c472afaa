import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { addBuildOptions } from "./build-flags.ts";

function parsed(...words: string[]): { context: string; flags: Record<string, unknown> } {
  const command = new Command("build").exitOverride();
  addBuildOptions(command);
  let context = "";
  command.action((place: string) => {
    context = place;
  });
  command.parse(words, { from: "user" });
  return { context, flags: command.opts() };
}

describe("switches with a value", () => {
  it.each([
    [["--pull=true", "."], { pull: true }],
    [["--pull=1", "--load=T", "."], { pull: true, load: true }],
    [["--pull=false", "--push=0", "."], {}],
    [["--pull", "--pull=false", "."], {}],
    [["-q", "--quiet=F", "."], {}],
    [["--push=false", "--push", "."], { push: true }],
    [["--no-cache=true", "."], { cache: false }],
    [["--no-cache=false", "."], { cache: true }],
  ])("%j", (words, flags) => {
    const { context, flags: found } = parsed(...words);
    const switches = ["pull", "load", "push", "quiet", "cache"].map((name) => [name, found[name]]);
    expect(Object.fromEntries(switches)).toEqual({ cache: true, ...flags });
    expect(context).toBe(".");
  });

  it("leaves options that have values, and what follows --, alone", () => {
    const { context, flags } = parsed("--build-arg=pull=false", "--target=true", "--", "--pull=false");
    expect(flags).toMatchObject({ buildArg: ["pull=false"], target: "true" });
    expect(context).toBe("--pull=false");
  });

  it("takes nothing else", () => {
    expect(() => parsed("--pull=always", ".")).toThrow(
      "Cannot use --pull=always: --pull takes true or false",
    );
  });
});
