import { describe, expect, it } from "vitest";
import { violationsOf } from "./violations-fixture.ts";

describe("the directive check", () => {
  const wrong = "FROM scratch as base\ncopy Dockerfile .\n";

  it.each([
    ["skip=all", []],
    ["skip=all;error=true", []],
    ["skip=ConsistentInstructionCasing, FromAsCasing", []],
    ["skip=ConsistentInstructionCasing", ["FromAsCasing"]],
    ["error=false", ["FromAsCasing", "ConsistentInstructionCasing"]],
  ])("%s leaves %j", async (check, rules) => {
    const { found, violations } = await violationsOf(`#check=${check}\n${wrong}`);
    expect(found.map((line) => /(\w+):/.exec(line.split(" ")[1] ?? "")?.[1])).toEqual(rules);
    violations.requireNone();
  });

  it("makes errors of warnings, and names their rules", async () => {
    const { violations } = await violationsOf(`# check=error=true\n${wrong}`);
    expect(() => violations.requireNone()).toThrow(
      expect.objectContaining({
        code: "CHECK_FAILED",
        message: expect.stringMatching(
          /lint violation found for rules: ConsistentInstructionCasing, FromAsCasing$/,
        ),
        at: expect.objectContaining({ line: 2 }),
      }),
    );
  });

  it("is overridden by the build argument", async () => {
    const strict = {
      arguments: { BUILDKIT_DOCKERFILE_CHECK: "skip=ConsistentInstructionCasing;error=true" },
    };
    const { violations, found } = await violationsOf(`# check=skip=all\n${wrong}`, strict);
    expect(found).toHaveLength(1);
    expect(() => violations.requireNone()).toThrow(/for rules: FromAsCasing$/);
    const lax = { arguments: { BUILDKIT_DOCKERFILE_CHECK: "skip=all" } };
    (await violationsOf(`# check=error=true\n${wrong}`, lax)).violations.requireNone();
  });

  it.each([
    ["nothing", /failed to parse check options: invalid check option "nothing"/],
    ["skip=all;other=1", /invalid check option "other"/],
    ["error=maybe", /failed to parse check option "error=maybe"/],
  ])("cannot be %s", async (check, message) => {
    await expect(violationsOf(`# check=${check}\n${wrong}`)).rejects.toThrow(message);
  });
});
