import { describe, expect, it } from "vitest";
import { WhittleError } from "../io/index.ts";
import { parseDockerfile } from "./parse.ts";

function failureOf(source: string): WhittleError {
  try {
    parseDockerfile(source, "Dockerfile");
  } catch (error) {
    if (error instanceof WhittleError) return error;
    throw error;
  }
  throw new Error("it was read");
}

describe("a mistake in a Dockerfile", () => {
  const mistakes: readonly (readonly [string, string, number, number])[] = [
    ["FROM a\n  RNU x", "unknown instruction: RNU (did you mean RUN?)", 2, 3],
    ["FROM a\nenb x=y", "unknown instruction: enb (did you mean env?)", 2, 1],
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
    expect(failureOf("").message).toContain("the Dockerfile cannot be empty");
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
