import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { commandsNamed } from "./shell-words.ts";

describe("commands in a maintainer script", () => {
  it.each<[string, string, string[][]]>([
    ["plain", "run a b\n", [["a", "b"]]],
    ["with its path", "  /usr/sbin/run a\n", [["a"]]],
    ["continued over lines", "run a \\\n    b \\\n\tc\n", [["a", "b", "c"]]],
    ["in quotes", `run "a b" 'c d' e\\ f "g\\"h" ''\n`, [["a b", "c d", "e f", 'g"h', ""]]],
    [
      "after a condition",
      'if [ "$1" = configure ] && run a; then run b; else run c; fi\n',
      [["a"], ["b"], ["c"]],
    ],
    ["with a variable of one value", `NAME="web"\nrun --x $\{NAME} "$NAME.d"\n`, [["--x", "web", "web.d"]]],
    ["before a comment", "run a # run b\n", [["a"]]],
    ["with what only looks like a comment", "run a#b\n", [["a#b"]]],
    ["in a pipe", "run a | cat || run b\n", [["a"], ["b"]]],
    ["through a function of the script", 'in_root () {\n  "$@"\n}\nin_root run a\n', [["a"]]],
    ["with an environment", "LC_ALL=C run a\n", [["a"]]],
  ])("are found %s", (_what, script, wanted) => {
    expect(commandsNamed(script, "run")).toEqual(wanted);
  });

  it.each([
    ["computed by the shell", "run $(date) `date`\n"],
    ["from an unknown variable", "run $1\n"],
    ["from a variable of two values", "X=a\nX=b\nrun $X\n"],
    ["from a variable that is computed", "X=$(date)\nrun $X\n"],
    ["in a comment", "# run a\n"],
    ["as the word of another command", "echo run a\n"],
    ["in a string that does not end", 'run "a\n'],
    ["under another name", "prerun a\nrunner a\n"],
  ])("are not made up: %s", (_what, script) => {
    expect(commandsNamed(script, "run")).toEqual([]);
  });

  it("never throw", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("run", " ", '"', "'", "\\", "\n", "$", "{", "}", ";", "a", "=") }),
        (script) => {
          expect(Array.isArray(commandsNamed(script, "run"))).toBe(true);
        },
      ),
    );
  });
});
