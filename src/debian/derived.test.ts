import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { sha256 } from "../io/index.ts";
import { type Derived, derived } from "./index.ts";

const key = sha256("a key");

function memory(): { readonly values: Derived; readonly file: () => string } {
  const directory = mkdtempSync(join(tmpdir(), "whittle-derived-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const file = (): string => {
    const [only = "", ...more] = readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    expect(more).toEqual([]);
    return only;
  };
  return { values: derived(directory, "tests"), file };
}

describe("what was derived from downloads", () => {
  it("comes back as JSON gives it back", async () => {
    const { values } = memory();
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        await values.set(key, value);
        expect(values.get(key)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 30 },
    );
  });

  it("is not known before, nor under another key", async () => {
    const { values } = memory();
    expect(values.get(key)).toBeUndefined();
    await values.set(key, [1]);
    expect(values.get(sha256("another key"))).toBeUndefined();
  });

  it("is not believed when any byte of it is wrong or missing", async () => {
    const { values, file } = memory();
    await values.set(key, { name: "value", list: [1, 2, 3] });
    const good = readFileSync(file());
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 1;
      writeFileSync(file(), bad);
      expect(values.get(key)).toBeUndefined();
      writeFileSync(file(), good);
      truncateSync(file(), at);
      expect(values.get(key)).toBeUndefined();
    }
  });

  it("is no error when it cannot be written", async () => {
    const { values, file } = memory();
    await values.set(key, 1);
    const nowhere = derived(file(), "tests");
    await nowhere.set(key, 2);
    expect(nowhere.get(key)).toBeUndefined();
  });
});
