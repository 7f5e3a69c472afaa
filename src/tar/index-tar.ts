import { type ByteRange, bytesContent, type Content, fileContent, readContent } from "../io/index.ts";
import { corrupt } from "./failure.ts";
import { padded } from "./header.ts";
import { defaultLimits, type IndexedMember, type TarHeader, type TarLimits } from "./member.ts";
import { sparseContent } from "./sparse.ts";
import { walkTar } from "./walk.ts";

const windowSize = 256 * 1024;

/**
 * Lists the members of an uncompressed archive that can be read anywhere. Only the headers are read, through
 * windows that step over large bodies; contents are slices of the archive.
 *
 * @throws WhittleError `ARCHIVE_CORRUPT`, `ARCHIVE_HOSTILE`; see {@link readTar}
 */
export async function indexTar(
  archive: Content,
  options: { readonly limits?: Partial<TarLimits> } = {},
): Promise<IndexedMember[]> {
  const members: IndexedMember[] = [];
  const walk = walkTar({ ...defaultLimits, ...options.limits });
  let window: Buffer = Buffer.alloc(0);
  let windowAt = 0;
  let at = 0;
  let step = walk.next();
  while (step.done !== true) {
    if ("member" in step.value) {
      const { member } = step.value;
      at = member.offset + padded(member.stored);
      if (member.offset + member.stored > archive.size) {
        throw corrupt(`it ends inside ${JSON.stringify(member.name)}`, archive.size);
      }
      members.push({ ...member, content: memberContent(archive, member) });
      step = walk.next();
      continue;
    }
    if ("skip" in step.value) {
      at += step.value.skip;
      step = walk.next();
      continue;
    }
    const { take } = step.value;
    if (at < windowAt || at + take > windowAt + window.length) {
      window = await readContent(archive, { start: at, end: at + Math.max(take, windowSize) });
      windowAt = at;
    }
    const bytes = window.subarray(at - windowAt, at - windowAt + take);
    if (bytes.length > 0 && bytes.length < take) throw corrupt("it ends early", archive.size);
    at += take;
    step = walk.next(bytes.length === 0 ? undefined : bytes);
  }
  return members;
}

/** The content of a member of an archive, from where {@link indexTar} or a stored list of members says it lies. */
export function memberContent(
  archive: Content,
  member: Pick<TarHeader, "offset" | "stored" | "size" | "sparse">,
): Content {
  const stored = sliceContent(archive, member.offset, member.stored);
  return member.sparse === undefined ? stored : sparseContent(stored, member.sparse, member.size);
}

/** A part of content as content of its own. */
export function sliceContent(whole: Content, offset: number, size: number): Content {
  if (size === 0) return bytesContent(new Uint8Array(0));
  if (whole.file !== undefined) return fileContent(whole.file.path, size, whole.file.offset + offset);
  return {
    size,
    open(range?: ByteRange) {
      const start = offset + Math.min(range?.start ?? 0, size);
      return whole.open({ start, end: Math.max(start, offset + Math.min(range?.end ?? size, size)) });
    },
  };
}
