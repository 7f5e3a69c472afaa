import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { cacheConfigType, serializeCacheDocument, unpackedAnnotation } from "../buildkit/index.ts";
import { mediaTypes, serializeDocument, writeBlob } from "../image/index.ts";
import { digestHex, type ProgressEvent, sha256 } from "../io/index.ts";
import { openStore, type Store } from "../store/index.ts";
import { importCache } from "./cache-import.ts";

/** A cache in a directory with one layer, as BuildKit writes it. */
async function place() {
  const top = mkdtempSync(join(tmpdir(), "whittle-import-"));
  onTestFinished(() => rmSync(top, { recursive: true, force: true }));
  const directory = join(top, "cache");
  const layout = await openStore(directory, { create: true });
  const tar = Buffer.alloc(1024);
  const packed = await writeBlob(layout, mediaTypes.layerGzip, gzipSync(tar));
  const records = [
    { digest: sha256("root"), results: [], chains: [], inputs: [] },
    {
      digest: sha256("step"),
      results: [{ layer: 0 }],
      chains: [],
      inputs: [[{ selector: "", link: 0 }]],
    },
  ];
  const document = { layers: [{ blob: packed.digest, parent: -1 }], records };
  const config = await writeBlob(layout, cacheConfigType, serializeCacheDocument(document));
  const layers = [{ ...packed, annotations: { [unpackedAnnotation]: sha256(tar) } }];
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers } as const;
  const descriptor = await writeBlob(layout, mediaTypes.manifest, serializeDocument(manifest));
  const index = { schemaVersion: 2, manifests: [{ ...descriptor, annotations: { [refName]: "latest" } }] };
  writeFileSync(join(directory, "index.json"), JSON.stringify(index));
  const store = await openStore(join(top, "store"), { create: true });
  const events: ProgressEvent[] = [];
  const home = {
    ...{ store, environment: {}, signal: new AbortController().signal },
    progress: (event: ProgressEvent) => void events.push(event),
  };
  const opened = await importCache({ kind: "local", directory }, home);
  if (opened === undefined) throw new Error(JSON.stringify(events));
  let added = 0;
  const counting = {
    async add(...parameters: Parameters<Store["add"]>) {
      added += 1;
      return store.add(...parameters);
    },
  } as Store;
  const file = join(directory, "blobs/sha256", digestHex(packed.digest));
  return { opened, config, packed, tar, store, counting, events, file, adding: () => added };
}

const refName = "org.opencontainers.image.ref.name";

describe("a cache of BuildKit's that was opened", () => {
  it("tells its records with the layers by their places", async () => {
    const { opened, config, packed, tar, events } = await place();
    const [document] = opened.documents;
    expect(document?.digest).toBe(config.digest);
    expect(document?.layers).toEqual([{ layer: { descriptor: packed, diffId: sha256(tar) }, parent: -1 }]);
    expect(document?.records.map(({ digest }) => digest)).toEqual([sha256("root"), sha256("step")]);
    expect(events).toEqual([]);
  });

  it("gives a layer as it is packed, and unpacked", async () => {
    const { opened, packed, tar, store } = await place();
    expect(await opened.fetch(packed.digest, store)).toBe(true);
    expect(await opened.fetch(sha256(tar), store)).toBe(true);
    expect([await store.has(packed.digest), await store.has(sha256(tar))]).toEqual([true, true]);
    expect(await opened.fetch(sha256("other"), store)).toBe(false);
  });

  it("fetches once what several want at the same time", async () => {
    const { opened, packed, counting, adding } = await place();
    const wanted = Array.from({ length: 3 }, () => opened.fetch(packed.digest, counting));
    expect([await Promise.all(wanted), adding()]).toEqual([[true, true, true], 1]);
    // It may have gone meanwhile.
    expect([await opened.fetch(packed.digest, counting), adding()]).toEqual([true, 2]);
  });

  it("says once that a layer is damaged", async () => {
    const { opened, packed, store, file, events } = await place();
    writeFileSync(file, Buffer.alloc(packed.size, 1));
    const each = await Promise.all([1, 2].map(() => opened.fetch(packed.digest, store)));
    expect([each, await opened.fetch(packed.digest, store)]).toEqual([[false, false], false]);
    expect(events).toEqual([{ kind: "warning", text: expect.stringContaining("is of no use") }]);
    expect(await store.has(packed.digest)).toBe(false);
  });
});
