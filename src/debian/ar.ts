import { type ByteRange, type Content, readContent, WhittleError } from "../io/index.ts";

/** A member of an ar archive: where its bytes are. */
export interface ArMember extends ByteRange {
  readonly name: string;
}

const magic = "!<arch>\n";
const headerSize = 60;
// A package has three members; a few more are allowed for signatures (`_gpgorigin`).
const mostMembers = 32;

/**
 * Lists the members of an ar archive (deb(5), ar(5), System V style). Only headers are read.
 *
 * @param what - the archive's name for an error
 * @throws WhittleError `ARCHIVE_CORRUPT`
 */
export async function readAr(content: Content, what: string): Promise<ArMember[]> {
  const read = async (start: number, size: number): Promise<string> =>
    (await readContent(content, { start, end: start + size })).toString("latin1");
  if ((await read(0, magic.length)) !== magic) throw invalid(what, "it does not begin as an ar archive");
  const members: ArMember[] = [];
  for (let at = magic.length; at < content.size; ) {
    const header = await read(at, headerSize);
    const size = /^(\d{1,10}) *$/.exec(header.slice(48, 58))?.[1];
    if (header.length < headerSize || header.slice(58) !== "`\n" || size === undefined) {
      throw invalid(what, `the member header at byte ${at} is malformed`);
    }
    const start = at + headerSize;
    const end = start + Number(size);
    if (end > content.size) {
      throw invalid(what, `it ends at byte ${content.size}, its last member at byte ${end}`);
    }
    members.push({ name: header.slice(0, 16).trimEnd().replace(/\/$/, ""), start, end });
    if (members.length > mostMembers) throw invalid(what, `it has more than ${mostMembers} members`);
    // Members begin at even bytes.
    at = end + (end % 2);
  }
  return members;
}

function invalid(what: string, found: string): WhittleError {
  return new WhittleError("ARCHIVE_CORRUPT", `Cannot read ${what}: ${found}`);
}
