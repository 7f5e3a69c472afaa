import { stat } from "node:fs/promises";
import { join } from "node:path";
import {
  type Content,
  compressedForm,
  contentDigest,
  decompress,
  digestHex,
  fileContent,
  makeDirectories,
  readContent,
  WhittleError,
  type Work,
  writeFileAtomically,
} from "../../io/index.ts";
import { type IndexedMember, indexTar } from "../../tar/index.ts";

/**
 * The members of an archive, or undefined when the content is none: tar, plain or compressed with gzip, bzip2, xz
 * or zstd. A compressed one is unpacked into a file first, so that its members can be read in any order.
 *
 * @param directory - where unpacked archives are kept, by the digest of the packed ones
 */
export async function archiveMembers(
  content: Content,
  directory: string,
  work: Work,
): Promise<readonly IndexedMember[] | undefined> {
  const form = compressedForm(await readContent(content, { start: 0, end: 16 }));
  if (form === "plain") return (await startsAsTar(content)) ? indexTar(content) : undefined;
  try {
    const start = await firstBytes(decompress(content.open(), { signal: work.signal }));
    if (!looksLikeTar(start)) return undefined;
  } catch (error) {
    // What only begins like something compressed is a file as any other.
    if (error instanceof WhittleError && error.code === "ARCHIVE_CORRUPT") return undefined;
    throw error;
  }
  const path = join(directory, `${digestHex(await contentDigest(content))}.tar`);
  const there = await stat(path).catch(() => undefined);
  if (there === undefined) await makeDirectories(directory);
  const size =
    there?.size ??
    (await writeFileAtomically(path, decompress(content.open(), { signal: work.signal }), {
      signal: work.signal,
    }));
  return indexTar(fileContent(path, size));
}

/** Whether a content begins with the header of a tar. */
export async function startsAsTar(content: Content): Promise<boolean> {
  return looksLikeTar(await readContent(content, { start: 0, end: 512 }));
}

async function firstBytes(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= 512) break;
  }
  return Buffer.concat(chunks);
}

/** A header whose checksum holds (POSIX ustar); two empty blocks are an archive without members. */
function looksLikeTar(block: Buffer): boolean {
  if (block.length < 512) return false;
  const header = block.subarray(0, 512);
  const stated = Number.parseInt(header.toString("latin1", 148, 156).replace(/[\0 ]+/g, ""), 8);
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 32 : (header[i] ?? 0);
  return sum === stated;
}
