import { describe, expect, it } from "vitest";
import { WhittleError } from "../io/index.ts";
import { errorJson, exitStatus, renderError, renderFinding } from "./report.ts";

describe("renderError", () => {
  it("shows place, line, caret and hint", () => {
    const error = new WhittleError("RECIPE_INVALID", 'Cannot use the key "pakages"', {
      at: { file: "whittle.yaml", line: 12, column: 5, text: "    pakages: [x]" },
      hint: 'did you mean "packages"?',
    });
    expect(renderError(error, false)).toBe(
      'whittle.yaml:12:5\nwhittle: Cannot use the key "pakages"\n12 |     pakages: [x]\n   |     ^\nhint: did you mean "packages"?\n',
    );
  });

  it("keeps tabs under tabs", () => {
    const at = { file: "f", line: 1, column: 3, text: "\tab" };
    expect(renderError(new WhittleError("RECIPE_INVALID", "m", { at }), false)).toContain("\n  | \t ^\n");
  });

  it("never shows a stack trace or a credential", () => {
    const text = renderError(new TypeError("x of http://user:pw@host/p?token=1 is undefined"), false);
    expect(text).toContain("Internal error: x of http://***@host/p?*** is undefined");
    expect(text).not.toMatch(/at .*\.ts/);
  });
});

describe("exitStatus", () => {
  it.each([
    [new WhittleError("USAGE", ""), 2],
    [new WhittleError("ENVIRONMENT", ""), 3],
    [new WhittleError("PACKAGE_UNKNOWN", ""), 4],
    [new WhittleError("INTERRUPTED", ""), 130],
    [Object.assign(new Error("x"), { code: "ENOENT" }), 3],
    [new Error("x"), 4],
  ])("of %s is %d", (error, status) => {
    expect(exitStatus(error)).toBe(status);
  });
});

describe("errorJson", () => {
  it("carries code and hint", () => {
    expect(errorJson(new WhittleError("USAGE", "m", { hint: "h" }))).toEqual({
      code: "USAGE",
      message: "m",
      hint: "h",
    });
    expect(errorJson("odd")).toEqual({ code: "INTERNAL", message: "odd" });
  });

  it("shows a finding with its place and the word", () => {
    const at = { file: "D", line: 3, column: 3, text: "\tEXPOSE" };
    expect(renderFinding("Rule", "is\u001b so", at, false)).toBe(
      "D:3:3: Rule: is\\x1b so\n3 | \tEXPOSE\n  | \t ^\n",
    );
  });
});
