import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { reachable } from "../image/index.ts";
import type { BlobDirectory } from "./blobs.ts";
import { cacheRecords, unpackedLayersDirectory } from "./cache.ts";
import { readLayoutIndex } from "./layout.ts";
import { emptyWhenMissing } from "./missing.ts";
import { names } from "./names.ts";

/** What a store takes on disk; all sizes in bytes. */
export interface Usage {
  readonly blobs: number;
  readonly bytes: number;
  readonly images: number;
  /** Of the blobs, those that names lead to. */
  readonly namedBytes: number;
  readonly cacheRecords: number;
  readonly cacheBytes: number;
  /** Layers that were unpacked to be read. */
  readonly unpackedBytes: number;
  /** Unfinished files. */
  readonly temporaryBytes: number;
}

/** Adds up what is in a store. */
export async function measure(directory: string, blobs: BlobDirectory): Promise<Usage> {
  const images = names(await readLayoutIndex(directory));
  const needed = new Set<string>();
  for (const { descriptor } of images) {
    try {
      for await (const _item of reachable(blobs, descriptor, needed));
    } catch {
      // A damaged image counts as far as it can be read; `verify` reports it.
    }
  }
  let count = 0;
  let bytes = 0;
  let namedBytes = 0;
  for await (const blob of blobs.stored()) {
    count += 1;
    bytes += blob.size;
    if (needed.has(blob.digest)) namedBytes += blob.size;
  }
  let records = 0;
  let cacheBytes = 0;
  for await (const record of cacheRecords(directory)) {
    records += 1;
    cacheBytes += record.size;
  }
  return {
    blobs: count,
    bytes,
    images: images.length,
    namedBytes,
    cacheRecords: records,
    cacheBytes,
    unpackedBytes: await sizeOfFiles(unpackedLayersDirectory(directory)),
    temporaryBytes: await sizeOfFiles(join(directory, "tmp")),
  };
}

async function sizeOfFiles(directory: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(directory).catch(emptyWhenMissing)) {
    bytes += (await stat(join(directory, name)).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}
