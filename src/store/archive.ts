import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { BlobSource } from "../image/index.ts";
import {
  bytesContent,
  type Content,
  compressedForm,
  type Digest,
  decompress,
  digestAlgorithm,
  digestHex,
  explainSystemError,
  fileContent,
  readContent,
  verified,
  WhittleError,
  type Work,
  writeFileAtomically,
} from "../io/index.ts";
import { treeOfTar, writeTar } from "../tar/index.ts";
import { attributes, type Tree, treeOf } from "../tree/index.ts";
import type { ReadOptions } from "./opened.ts";
import { makeTemporary } from "./temporary.ts";

/** An archive file opened for reading. */
export interface OpenedArchive {
  readonly tree: Tree;
  /** The bytes of a member, links followed inside the archive. */
  member(path: string): Content | undefined;
  close(): Promise<void>;
}

/**
 * Opens a tar file. Where it is compressed it is unpacked to a temporary file first, since its members are
 * wanted in another order than they come.
 *
 * @throws WhittleError `NOT_FOUND`, `ARCHIVE_CORRUPT`, `ARCHIVE_HOSTILE`
 */
export async function openArchive(path: string, work: Work, options: ReadOptions): Promise<OpenedArchive> {
  const file = await contentOfFile(path);
  const form = compressedForm(await readContent(file, { start: 0, end: 16 }));
  const directory = form === "plain" ? undefined : await makeTemporary(options.temporary);
  const close = async (): Promise<void> => {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  };
  try {
    const plain = directory === undefined ? file : await unpacked(file, join(directory, "archive.tar"), work);
    const tree = await treeOfTar(plain, { origin: { kind: "context", path } });
    return { tree, close, member: (name) => memberOf(tree, name) };
  } catch (error) {
    await close();
    throw explainSystemError(named(error, path), `read ${path}`);
  }
}

/** What is wrong with an archive, of which file: who reads it as a stream does not know. */
function named(error: unknown, path: string): unknown {
  if (!(error instanceof WhittleError) || error.code !== "ARCHIVE_CORRUPT") return error;
  const message = error.message
    .replace(/^Cannot read the archive/, `Cannot read ${path}`)
    .replace(/^Cannot decompress (\w+ data)/, `Cannot read the $1 of ${path}`);
  return new WhittleError(error.code, message, { cause: error });
}

/** The bytes of a file on disk. */
export async function contentOfFile(path: string): Promise<Content> {
  const found = await stat(path).catch((error: unknown) => {
    throw explainSystemError(error, `read ${path}`);
  });
  if (!found.isFile()) throw new WhittleError("NOT_FOUND", `Cannot read ${path}: it is not a file`);
  return fileContent(path, found.size);
}

async function unpacked(file: Content, to: string, work: Work): Promise<Content> {
  const size = await writeFileAtomically(to, decompress(file.open(), { signal: work.signal }));
  return fileContent(to, size);
}

function memberOf(tree: Tree, name: string): Content | undefined {
  const { entry } = tree.resolve(name.startsWith("/") ? name : `/${name}`);
  return entry?.type === "file" ? entry.content : undefined;
}

/** The blobs of a layout inside an archive; reading one to its end verifies it. */
export function archiveBlobs(archive: OpenedArchive, path: string): BlobSource {
  return {
    async blob(descriptor) {
      const { digest, size } = descriptor;
      const content = archive.member(blobName(digest));
      if (content === undefined) {
        throw new WhittleError("IMAGE_INVALID", `Cannot read ${digest}: ${path} does not hold that blob`);
      }
      return verifiedMember(content, digest, size, path);
    },
  };
}

/** A member that has to have a digest; read whole, its end is the proof. */
export function verifiedMember(content: Content, digest: Digest, size: number, path: string): Content {
  const expected = { what: `${digest} of ${path}`, digest, size };
  return {
    size,
    digest,
    open(range) {
      const whole = range === undefined || (range.start <= 0 && range.end >= content.size);
      return whole ? verified(content.open(), expected) : content.open(range);
    },
  };
}

/** Where a layout keeps a blob. */
export function blobName(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/** Writes files as an archive, all or nothing; the same files make the same bytes. */
export async function writeArchive(
  path: string,
  files: ReadonlyMap<string, Content | string>,
  work: Work,
): Promise<void> {
  const tree = treeOf(
    [...files].map(([name, data]) => {
      const content = typeof data === "string" ? bytesContent(data) : data;
      return [`/${name}`, { type: "file", ...attributes(0o644), content }] as const;
    }),
  );
  try {
    await writeFileAtomically(path, writeTar(tree.entries(), { signal: work.signal }), {
      signal: work.signal,
    });
  } catch (error) {
    throw explainSystemError(error, `write ${path}`);
  }
}
