import { promisify } from "node:util";
import { constants, gzip as deflateGzip } from "node:zlib";
import {
  bytesContent,
  type Content,
  contentDigest,
  type Digest,
  digestHex,
  readContent,
} from "../io/index.ts";
import { attributes, type FileEntry, type Origin } from "../tree/index.ts";
import { isText } from "./media-types.ts";

const compress = promisify(deflateGzip);

/** Below this the headers outweigh what is saved; above it a body is not held in memory to be compressed. */
const smallest = 256;
const largest = 16 * 1024 * 1024;

/**
 * A time that stands for the bytes. nginx makes `ETag` and `Last-Modified` of a file's time and size, and all
 * files of a reproducible image have one time: then two versions of equal length would have the same `ETag`, and
 * a client would keep the old one. So the time is made of the digest: equal bytes, equal validators, whatever
 * image they are in. It lies between 1970 and 2004: in the past, as RFC 9110 (8.8.2.1) wants it, and within 31
 * bits, which is all that some file systems and 32-bit programs know.
 */
export function contentTime(digest: Digest): number {
  return 1 + (Number.parseInt(digestHex(digest).slice(0, 8), 16) >>> 2);
}

/** A file as the server sends it. */
export async function bodyEntry(content: Content, origin: Origin | undefined): Promise<FileEntry> {
  const mtime = contentTime(await contentDigest(content));
  const more = { mtime, ...(origin === undefined ? {} : { origin }) };
  return { type: "file", ...attributes(0o644, more), content };
}

/**
 * The compressed form that nginx's `gzip_static` sends to those who accept it; `undefined` where it would not
 * save at least a tenth. It has the time of its original, so that the two differ in `ETag` by their size.
 */
export async function compressedEntry(file: string, body: FileEntry): Promise<FileEntry | undefined> {
  const { content } = body;
  if (!isText(file) || content.size < smallest || content.size > largest) return undefined;
  const bytes = await compress(await readContent(content), {
    level: constants.Z_BEST_COMPRESSION,
    memLevel: 9,
  });
  if (bytes.length > content.size * 0.9) return undefined;
  // RFC 1952: byte 9 names the operating system; 255 is "unknown", the same everywhere.
  bytes[9] = 255;
  const origin: Origin = { kind: "generated", what: `compressed form of ${file}` };
  return { type: "file", ...attributes(0o644, { mtime: body.mtime, origin }), content: bytesContent(bytes) };
}
