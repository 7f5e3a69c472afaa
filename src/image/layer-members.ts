import { type Content, readProven, writeProven } from "../io/index.ts";
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
  const label = `whittle-members 1 ${tar.size} `;
  const known = list === undefined ? undefined : readList(list, label, tar);
  if (known !== undefined) return known;
  const members = await indexTar(tar);
  // Failing to write is no error.
  if (list !== undefined && members.length >= fewestKept && members.length <= mostKept)
    await writeProven(list, encodeMembers(members), label).catch(() => undefined);
  return members;
}

function readList(path: string, label: string, tar: Content): IndexedMember[] | undefined {
  try {
    const text = readProven(path, label);
    return text === undefined ? undefined : decodeMembers(text, tar);
  } catch {
    return undefined;
  }
}
