import { randomBytes } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { rename, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Digest, digestHex } from "./digest.ts";
import { makeDirectories } from "./directories.ts";
import { spareBuffers } from "./spare-buffers.ts";

/** A block of a file and what it came to. */
export interface DeflatedBlock {
  /** CRC-32 of the block before it was deflated. */
  readonly checksum: number;
  /** Raw deflate data that ends at a byte boundary. */
  readonly bytes: Uint8Array;
}

/** What decides what a file's blocks come to. */
export interface DeflatedKey {
  readonly digest: Digest;
  readonly level: number;
}

/** What is known of a file. */
export interface KnownBlocks {
  /** In order. */
  readonly blocks: readonly DeflatedBlock[];
  /** To be called when nobody looks at their bytes any more: others may be read into their place. */
  readonly release?: () => void;
}

/** Where deflated files are remembered. Losing it costs time only. */
export interface DeflatedBlocks {
  /** A file's blocks; nothing when they are not known or damaged. */
  get(key: DeflatedKey): KnownBlocks | undefined;
  set(key: DeflatedKey, blocks: readonly DeflatedBlock[]): Promise<void>;
}

/** One file on its way through the compressor: takes its known blocks and remembers it when there were none. */
export class RememberedFile {
  readonly #memory: DeflatedBlocks;
  readonly #key: DeflatedKey;
  readonly #known: KnownBlocks | undefined;
  readonly #blocks: DeflatedBlock[] = [];
  #left: number;
  #unread: number;
  #fresh = false;

  constructor(memory: DeflatedBlocks, key: DeflatedKey, blocks: number) {
    this.#memory = memory;
    this.#key = key;
    this.#known = memory.get(key);
    this.#left = this.#unread = blocks;
  }

  /** What a block comes to: the known bytes when they are of a block with this checksum, else what `work` makes. */
  async block(index: number, checksum: number, work: () => Promise<Uint8Array>): Promise<Uint8Array> {
    let block = this.#known?.blocks[index];
    if (block?.checksum !== checksum) {
      block = { checksum, bytes: await work() };
      this.#fresh = true;
    }
    this.#blocks[index] = block;
    this.#left--;
    if (this.#left === 0 && this.#fresh) await this.#memory.set(this.#key, this.#blocks);
    return block.bytes;
  }

  /** Says that nobody looks at one more of the blocks. */
  wasRead(): void {
    this.#unread--;
    if (this.#unread === 0) this.#known?.release?.();
  }
}

// Loaded when there is work; the index of this folder is read by every command.
const zlib = () => process.getBuiltinModule("node:zlib");

// What the numbers of an entry are: how many blocks; for each its checksum, its length, its own bytes' checksum.
const word = 4;
const wordsABlock = 3;

/**
 * Remembers deflated files in a directory, one entry a file. Another version of the form, of zlib or another level
 * has entries of its own, since it may come to other bytes. An entry's bytes are checked when they are read; a
 * damaged entry is as good as none. Writes are atomic but not durable, and failing to write is no error.
 */
export function deflatedBlocks(directory: string): DeflatedBlocks {
  const path = ({ digest, level }: DeflatedKey): string => {
    const hex = digestHex(digest);
    return join(directory, `2-zlib-${process.versions.zlib}-level-${level}`, hex.slice(0, 2), hex);
  };
  return {
    get(key) {
      try {
        return readEntry(path(key));
      } catch {
        return undefined;
      }
    },
    async set(key, blocks) {
      const file = path(key);
      const unfinished = `${file}.${process.pid}-${randomBytes(4).toString("hex")}`;
      try {
        await makeDirectories(dirname(file));
        await writeFile(unfinished, encode(blocks), { flag: "wx" });
        await rename(unfinished, file);
      } catch {
        await unlink(unfinished).catch(() => undefined);
      }
    },
  };
}

function encode(blocks: readonly DeflatedBlock[]): Uint8Array[] {
  const { crc32 } = zlib();
  const table = Buffer.alloc((1 + wordsABlock * blocks.length) * word);
  let at = table.writeUInt32LE(blocks.length);
  for (const { checksum, bytes } of blocks) {
    for (const number of [checksum, bytes.length, crc32(bytes)]) at = table.writeUInt32LE(number, at);
  }
  return [table, ...blocks.map(({ bytes }) => bytes)];
}

// Nearly every file of a package comes to less; what does not has memory of its own.
const spareSize = 4 * 1024 * 1024;
// That of a short one is had at once.
const worthSparing = 64 * 1024;
const entryBuffers = spareBuffers(spareSize, 4);

function readEntry(path: string): KnownBlocks | undefined {
  const descriptor = openSync(path, "r");
  try {
    const { size } = fstatSync(descriptor);
    const isSpare = size >= worthSparing && size <= spareSize;
    const buffer = isSpare ? entryBuffers.take() : Buffer.allocUnsafeSlow(size);
    let filled = 0;
    for (let count = -1; count !== 0 && filled < size; filled += count) {
      count = readSync(descriptor, buffer, filled, size - filled, filled);
    }
    const blocks = decode(buffer.subarray(0, filled));
    const release = (): void => entryBuffers.giveBack(buffer);
    if (isSpare && blocks === undefined) release();
    return blocks === undefined ? undefined : { blocks, ...(isSpare ? { release } : {}) };
  } finally {
    closeSync(descriptor);
  }
}

/** @throws RangeError when the entry is cut short */
function decode(entry: Buffer): DeflatedBlock[] | undefined {
  const { crc32 } = zlib();
  const count = entry.readUInt32LE(0);
  const blocks: DeflatedBlock[] = [];
  let start = (1 + wordsABlock * count) * word;
  for (let index = 0; index < count; index++) {
    const at = (1 + wordsABlock * index) * word;
    const bytes = entry.subarray(start, start + entry.readUInt32LE(at + word));
    if (crc32(bytes) !== entry.readUInt32LE(at + 2 * word)) return undefined;
    blocks.push({ checksum: entry.readUInt32LE(at), bytes });
    start += bytes.length;
  }
  return start === entry.length ? blocks : undefined;
}
