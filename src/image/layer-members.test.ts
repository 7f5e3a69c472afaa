import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesContent, type Content, readText } from "../io/index.ts";
import { writeTar } from "../tar/index.ts";
import { attributes, type Entry } from "../tree/index.ts";
import { layerMembers } from "./layer-members.ts";

let directory: string;
let list: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "whittle-members-"));
  list = join(directory, "below", "list");
});
afterEach(() => rmSync(directory, { recursive: true }));

async function layer(files: number, text: string): Promise<Content> {
  const entries = Array.from({ length: files }, (_, index): readonly [string, Entry] => [
    `/${index}`,
    { type: "file", content: bytesContent(`${text} ${index}`), ...attributes(0o644) },
  ]);
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeTar(entries)) chunks.push(chunk);
  return bytesContent(Buffer.concat(chunks));
}

/** The layer's bytes, but nobody may look at its headers. */
function closed(content: Content): Content {
  return {
    size: content.size,
    open: (range) => {
      if (range?.start === 0) throw new Error("gone through again");
      return content.open(range);
    },
  };
}

describe("the members of a layer", () => {
  it("are read from the list the second time, with the same contents", async () => {
    const tar = await layer(300, "text");
    const first = await layerMembers(tar, list);
    const again = await layerMembers(closed(tar), list);
    expect(again.map(({ content: _, ...header }) => header)).toEqual(
      first.map(({ content: _, ...header }) => header),
    );
    expect(await readText(again[299]?.content ?? bytesContent(""))).toBe("text 99");
  });

  it("are read from the layer when the list is damaged, cut off, or another layer's", async () => {
    const tar = await layer(300, "text");
    const wanted = (await layerMembers(tar, list)).length;
    const whole = readFileSync(list);
    for (let at = 0; at < whole.length; at += 997) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      writeFileSync(list, damaged);
      expect(await layerMembers(tar, list)).toHaveLength(wanted);
    }
    writeFileSync(list, whole);
    truncateSync(list, whole.length - 1);
    expect(await layerMembers(tar, list)).toHaveLength(wanted);
    expect(await layerMembers(await layer(250, "other"), list)).toHaveLength(250);
  });

  it("are not listed when there are few, and it does not matter when they cannot be", async () => {
    expect(await layerMembers(await layer(10, "text"), list)).toHaveLength(10);
    expect(existsSync(list)).toBe(false);
    writeFileSync(join(directory, "below"), "a file");
    expect(await layerMembers(await layer(300, "text"), list)).toHaveLength(300);
  });
});
