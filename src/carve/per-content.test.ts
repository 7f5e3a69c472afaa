import { describe, expect, it } from "vitest";
import { bytesContent, readText, sha256 } from "../io/index.ts";
import { perContent } from "./per-content.ts";

describe("perContent", () => {
  it("makes a value once for equal bytes of a known digest, and for each other content", async () => {
    const made: string[] = [];
    const length = perContent(async (content) => {
      const text = await readText(content);
      made.push(text);
      return text.length;
    });
    const known = (text: string) => bytesContent(text, sha256(text));
    const nameless = bytesContent("abc");
    const contents = [known("a"), known("ab"), known("a"), nameless, nameless, bytesContent("abc")];
    const lengths = [];
    for (const content of contents) lengths.push(await length(content));
    expect(lengths).toEqual([1, 2, 1, 3, 3, 3]);
    expect(made).toEqual(["a", "ab", "abc", "abc"]);
  });

  it("does not hold more than a bounded number of values", async () => {
    let made = 0;
    const count = perContent(async () => made++);
    for (let round = 0; round < 2; round++) {
      for (let index = 0; index < 5000; index++) await count(bytesContent("", sha256(`${index}`)));
    }
    expect(made).toBe(10_000);
  });

  it("tries again what has failed", async () => {
    let tries = 0;
    const failing = perContent(async () => {
      if (++tries === 1) throw new Error("once");
      return tries;
    });
    for (const content of [bytesContent("", sha256(""))]) {
      await expect(failing(content)).rejects.toThrow("once");
      expect(await failing(content)).toBe(2);
    }
  });
});
