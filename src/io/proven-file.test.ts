import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readProven, writeProven } from "./proven-file.ts";

let place = "";
let path = "";

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "whittle-test-"));
  path = join(place, "a/b/text");
});
afterEach(() => rmSync(place, { recursive: true }));

describe("a text that may be lost", () => {
  it("comes back as it was kept, with its label, from a directory that is made", async () => {
    const word = fc.string({ unit: "grapheme" }).filter((label) => !label.includes("\n"));
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme" }), word, async (text, label) => {
        await writeProven(path, text, label);
        expect(readProven(path, label)).toBe(text);
        expect(readProven(path, `${label}x`)).toBeUndefined();
      }),
      { numRuns: 50 },
    );
    expect(readdirSync(join(place, "a/b"))).toEqual(["text"]);
  });

  it("is not believed when any of its bytes is another, or is missing", async () => {
    await writeProven(path, "what was worked out", "it ");
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at++) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      writeFileSync(path, flipped);
      expect(readProven(path, "it ")).toBeUndefined();
      writeFileSync(path, whole.subarray(0, at));
      expect(readProven(path, "it ")).toBeUndefined();
    }
    expect(readProven(join(place, "absent"))).toBeUndefined();
  });

  it("leaves nothing behind where it cannot be kept", async () => {
    writeFileSync(join(place, "a"), "no directory");
    await expect(writeProven(path, "text")).rejects.toMatchObject({ code: expect.stringMatching(/^E/) });
    expect(readdirSync(place)).toEqual(["a"]);
  });
});
