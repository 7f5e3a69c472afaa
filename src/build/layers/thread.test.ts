import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { LayerRecord } from "../../image/index.ts";
import {
  bytesContent,
  deflatedBlocks,
  fileContent,
  noProgress,
  type Progress,
  quietWork,
  sha256,
} from "../../io/index.ts";
import { openStore, type Store } from "../../store/index.ts";
import { attributes, type Entry, newInode, type Tree, treeOf } from "../../tree/index.ts";
import { type Compression, type LayerThread, type LayerWriter, layerThread, layerWriter } from "./index.ts";

const megabyte = 1024 * 1024;
const compressions: readonly Compression[] = [{ type: "gzip" }, { type: "gzip", level: 1 }, { type: "zstd" }];

interface Place {
  readonly store: Store;
  readonly thread: LayerThread;
  /** The trees that this thread had to write itself. */
  readonly here: (Tree | object)[];
}

const rooted = (entries: Readonly<Record<string, Entry>>): Tree => treeOf(Object.entries(entries));

async function place(threadStore?: string, several = true): Promise<Place> {
  const directory = temporaryDirectory();
  const store = await openStore(join(directory, "store"), { create: true });
  const deflated = join(directory, "deflated");
  const here: (Tree | object)[] = [];
  const write = layerWriter(store, deflatedBlocks(deflated));
  const counted: LayerWriter = (from, ...rest) => {
    here.push(from);
    return write(from, ...rest);
  };
  const thread = layerThread({ store: threadStore ?? store.directory, deflated }, counted);
  onTestFinished(() => thread.end());
  if (several) thread.expectSeveral();
  return { store, thread, here };
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "whittle-layers-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A file of the machine whose bytes are in no way alike, twice as long as what is worth the thread. */
function longFile(): string {
  const path = join(temporaryDirectory(), "long");
  const bytes = Buffer.alloc(2 * megabyte);
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
  writeFileSync(path, bytes);
  return path;
}

function everything(): Tree {
  const path = longFile();
  const inode = newInode();
  const origin = { kind: "package", name: "long", version: "1", architecture: "all" } as const;
  const linked: Entry = { ...attributes(0o755), type: "file", content: bytesContent("linked"), inode };
  const slice = fileContent(path, megabyte + 77, 1234, `sha256:${"5".repeat(64)}`);
  return rooted({
    "/dev": { ...attributes(0o755), type: "directory" },
    "/dev/null": { ...attributes(0o666), type: "character", major: 1, minor: 3 },
    "/etc": { ...attributes(0o755), type: "directory" },
    "/etc/name": { ...attributes(0o644), type: "file", content: bytesContent("text", sha256("text")) },
    "/etc/other": { ...attributes(0o777), type: "symlink", target: "name" },
    "/one": linked,
    "/two": linked,
    "/run": { ...attributes(0o1777, { uid: 7, gid: 8 }), type: "fifo" },
    "/usr": { ...attributes(0o755), type: "directory" },
    "/usr/long": { ...attributes(0o4755, { origin }), type: "file", content: slice },
    "/usr/marked": {
      ...attributes(0o755, { xattrs: new Map([["security.capability", Uint8Array.of(1, 0, 0, 2)]]) }),
      type: "file",
      content: fileContent(path, 2 * megabyte),
    },
  });
}

const blobsOf = (store: Store): string[] => {
  const directory = join(store.directory, "blobs/sha256");
  return readdirSync(directory).map((name) => `sha256:${name}`);
};

describe("a thread that writes layers", () => {
  it.each(compressions)("writes what this one writes: %o", async (compression) => {
    const [one, other] = [await place(), await place()];
    const tree = everything();
    const expected = await layerWriter(other.store, deflatedBlocks(temporaryDirectory()))(
      tree,
      compression,
      quietWork,
    );
    // Twice: the second time, the deflated blocks of the first are remembered.
    for (let round = 0; round < 2; round++) {
      expect(await one.thread.write(tree, compression, quietWork)).toEqual(expected);
    }
    expect(one.here).toEqual([]);
    expect(blobsOf(one.store)).toEqual([expected.descriptor.digest]);
  });

  it("tells how far it is", async () => {
    const { thread } = await place();
    const told: number[] = [];
    const progress = (event: { kind: string; bytes?: number }): void => void told.push(event.bytes ?? -1);
    await thread.write(everything(), { type: "gzip" }, { ...quietWork, progress });
    expect(told.length).toBeGreaterThan(0);
    expect(told).toEqual([...told].sort((a, b) => a - b));
  });

  it("leaves all layers to this one as long as nobody expects several", async () => {
    const { thread, here } = await place(undefined, false);
    const tree = everything();
    await thread.write(tree, { type: "gzip" }, quietWork);
    expect(here).toEqual([tree]);
  });

  it("leaves small layers, and one of more than two at a time, to this one", async () => {
    const { thread, here } = await place();
    const small = rooted({ "/a": { ...attributes(0o644), type: "file", content: bytesContent("a") } });
    await thread.write(small, { type: "gzip" }, quietWork);
    expect(here).toEqual([small]);
    const trees = [everything(), everything(), everything()];
    const written = await Promise.all(trees.map((tree) => thread.write(tree, { type: "gzip" }, quietWork)));
    expect(here).toEqual([small, trees[2]]);
    expect(new Set(written.map((layer: LayerRecord) => layer.diffId)).size).toBe(1);
  });

  it("writes all of very many, never reads more than one of them here", async () => {
    const directory = temporaryDirectory();
    const store = await openStore(join(directory, "store"), { create: true });
    const deflated = join(directory, "deflated");
    const write = layerWriter(store, deflatedBlocks(deflated));
    let [now, most] = [0, 0];
    const thread = layerThread({ store: store.directory, deflated }, async (from, compression, work) => {
      most = Math.max(most, ++now);
      let isRead = false;
      const progress: Progress = (event) => {
        if (event.kind === "bytes" && event.bytes === event.totalBytes && !isRead) {
          isRead = true;
          now--;
        }
        work.progress(event);
      };
      return write(from, compression, { ...work, progress });
    });
    onTestFinished(() => thread.end());
    thread.expectSeveral();
    thread.expectOne();
    const trees = Array.from({ length: 9 }, everything);
    const written = await Promise.all(trees.map((tree) => thread.write(tree, { type: "gzip" }, quietWork)));
    expect(new Set(written.map(({ diffId }) => diffId)).size).toBe(1);
    expect(most).toBe(1);
  });

  it("lets go of those that wait when all are interrupted", async () => {
    const { thread, store } = await place();
    const controller = new AbortController();
    const work = { ...quietWork, signal: controller.signal };
    const writing = Array.from({ length: 6 }, () => thread.write(everything(), { type: "gzip" }, work));
    controller.abort(new Error("enough"));
    for (const one of await Promise.allSettled(writing)) expect(one.status).toBe("rejected");
    await thread.end();
    expect(blobsOf(store)).toEqual([]);
  });

  it("may be started for nothing", async () => {
    const { thread, here } = await place();
    thread.expectOne();
    await thread.end();
    expect(here).toEqual([]);
  });

  it("does no harm by failing: this one does the work", async () => {
    const gone = join(temporaryDirectory(), "no-store");
    const { thread, here, store } = await place(gone);
    const tree = everything();
    const layer = await thread.write(tree, { type: "gzip" }, quietWork);
    expect(here).toEqual([tree]);
    // It is gone, and the next layer does not wait for it.
    expect(await thread.write(tree, { type: "gzip" }, quietWork)).toEqual(layer);
    expect(blobsOf(store)).toEqual([layer.descriptor.digest]);
  });

  it("has this one say what is wrong", async () => {
    const { thread, store } = await place();
    const path = longFile();
    const content = fileContent(path, 2 * megabyte);
    truncateSync(path, megabyte);
    const tree = rooted({ "/a": { ...attributes(0o644), type: "file", content } });
    await expect(thread.write(tree, { type: "gzip" }, quietWork)).rejects.toMatchObject({
      code: "ARCHIVE_CORRUPT",
    });
    expect(readdirSync(join(store.directory, "tmp"))).toEqual([]);
  });

  it("leaves nothing behind when it is interrupted", async () => {
    const { thread, store, here } = await place();
    const path = join(temporaryDirectory(), "endless");
    mkdirSync(join(store.directory, "tmp"), { recursive: true });
    writeFileSync(path, "");
    truncateSync(path, 1024 * megabyte);
    const content = fileContent(path, 1024 * megabyte);
    const tree = rooted({ "/a": { ...attributes(0o644), type: "file", content } });
    const controller = new AbortController();
    const work = { progress: () => controller.abort(new Error("enough")), signal: controller.signal };
    await expect(thread.write(tree, { type: "none" }, work)).rejects.toThrow("enough");
    expect(here).toEqual([]);
    await thread.end();
    expect(readdirSync(join(store.directory, "tmp"))).toEqual([]);
    // Who asks afterwards is told the same, and starts nothing.
    await expect(thread.write(tree, { type: "none" }, { ...work, progress: noProgress })).rejects.toThrow(
      "enough",
    );
  });
});
