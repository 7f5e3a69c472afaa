import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { rename, unlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type Content, makeDirectories, sha256 } from "../io/index.ts";
import { decodeMembers, encodeMembers, type IndexedMember, indexTar } from "../tar/index.ts";

// The headers of a few files are read at once; a list of very many would take much memory.
const fewestKept = 200;
const mostKept = 200_000;

/**
 * The members of an uncompressed layer. Their headers lie between the bytes of all files, so that going through them
 * reads most of the layer; a list beside it is read instead once it was made.
 *
 * @param list - the file with the list, for this layer alone; losing it costs time only
 * @throws WhittleError `ARCHIVE_CORRUPT`, `ARCHIVE_HOSTILE`
 */
export async function layerMembers(tar: Content, list: string | undefined): Promise<IndexedMember[]> {
  const known = list === undefined ? undefined : readList(list, tar);
  if (known !== undefined) return known;
  const members = await indexTar(tar);
  if (list !== undefined && members.length >= fewestKept && members.length <= mostKept)
    await writeList(list, tar, encodeMembers(members));
  return members;
}

/** What the list begins with: proof that it is whole, and for this layer. */
function head(body: Uint8Array, { size }: Content): string {
  return `whittle-members 1 ${size} ${sha256(body)}`;
}

const newline = 0x0a;

function readList(path: string, tar: Content): IndexedMember[] | undefined {
  try {
    // Mostly in the system's memory: at once.
    const bytes = readFileSync(path);
    const end = bytes.indexOf(newline);
    const body = bytes.subarray(end + 1);
    if (bytes.toString("latin1", 0, end) !== head(body, tar)) return undefined;
    return decodeMembers(body.toString("utf8"), tar);
  } catch {
    return undefined;
  }
}

/** Failing to write is no error. */
async function writeList(path: string, tar: Content, text: string): Promise<void> {
  const body = Buffer.from(text, "utf8");
  const unfinished = `${path}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
  try {
    await makeDirectories(dirname(path));
    await writeFile(unfinished, [`${head(body, tar)}\n`, body], { flag: "wx" });
    await rename(unfinished, path);
  } catch {
    await unlink(unfinished).catch(() => undefined);
  }
}
