import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SecretMask } from "./secret-mask.ts";

const masked = (secrets: readonly (string | Uint8Array)[], ...chunks: readonly string[]): string => {
  const mask = new SecretMask(secrets.map((secret) => Buffer.from(secret)));
  return Buffer.concat([...chunks.map((chunk) => mask.take(Buffer.from(chunk))), mask.end()]).toString();
};

describe("a secret in a program's output", () => {
  it.each<[string, string[], string[], string]>([
    ["as it is", ["hunter22"], ["the password is hunter22, see"], "the password is ***, see"],
    ["twice", ["hunter22"], ["hunter22hunter22"], "******"],
    ["without its last newline", ["hunter22\n"], ["hunter22!"], "***!"],
    ["over two chunks", ["hunter22"], ["a hunt", "er22 b"], "a *** b"],
    ["byte by byte", ["hunter22"], [..."a hunter22 b"], "a *** b"],
    ["of several lines", ["one line\ntwo\n"], ["x one line\ntwo y"], "x *** y"],
    ["line by line", ["first line\nsecond line"], ["second line, first line"], "***, ***"],
    ["but for short lines of it", ["first line\nab"], ["ab first line"], "ab ***"],
    ["with indented lines", ['{\n  "password": "x"\n}'], ['"password": "x"'], "***"],
    ["with special characters", ["a.*b[c]$"], ["aXXb a.*b[c]$"], "aXXb ***"],
    ["with a beginning of its own in front", ["aab1"], ["aaab1"], "a***"],
    ["beside another that it begins with", ["password", "password1"], ["password1 password"], "*** ***"],
    ["inside the beginning of another", ["abcdefgh", "cdef"], ["abcdefg"], "ab***g"],
    ["beyond ASCII", ["pässwört"], ["ein pässwört ü"], "ein *** ü"],
  ])("is hidden %s", (_name, secrets, chunks, expected) => {
    expect(masked(secrets, ...chunks)).toBe(expected);
  });

  it("is hidden when it is no text", () => {
    const secret = Buffer.from([0xff, 0x00, 0xfe, 0x80, 0x0a, 0x90]);
    const mask = new SecretMask([secret]);
    const told = Buffer.concat([mask.take(secret.subarray(0, 3)), mask.take(secret.subarray(3)), mask.end()]);
    expect(told.toString()).toBe("***");
  });

  it("is told, when it is shorter than four bytes", () => {
    expect(masked(["abc", "", "\n"], "abc")).toBe("abc");
  });

  it("is found however the output is cut, and nothing else is changed", () => {
    const word = fc.stringMatching(/^[ab]{4,7}$/);
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1, maxLength: 3 }),
        fc.stringMatching(/^[abc]{0,60}$/),
        fc.array(fc.nat(60)),
        (secrets, text, cuts) => {
          const bounds = [...new Set([0, ...cuts.filter((cut) => cut < text.length), text.length])].sort(
            (a, b) => a - b,
          );
          const chunks = bounds.slice(1).map((end, index) => text.slice(bounds[index], end));
          const told = masked(secrets, ...chunks);
          expect(told).toBe(masked(secrets, text));
          for (const secret of secrets) expect(told).not.toContain(secret);
          expect(told.replace(/[^c]/g, "")).toBe(text.replace(/[^c]/g, ""));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("keeps nothing back that can be told", () => {
    const mask = new SecretMask([Buffer.from("hunter22")]);
    expect(mask.take(Buffer.from("a prompt: ")).toString()).toBe("a prompt: ");
    expect(mask.take(Buffer.from("a hunt")).toString()).toBe("a ");
  });

  it("costs little, however large", () => {
    const secret = Buffer.from("abcdefghij\n".repeat(36_000));
    expect(masked([secret], "x".repeat(1_000_000))).toHaveLength(1_000_000);
    expect(masked([secret], secret.toString())).toMatch(/^[*\s]+$/);
  });
});
