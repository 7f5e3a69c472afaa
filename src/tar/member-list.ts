import type { Content } from "../io/index.ts";
import { memberContent, sliceContent } from "./index-tar.ts";
import type { IndexedMember, SparsePiece, TarHeader, TarType } from "./member.ts";

/** What few members have. */
interface Rest {
  /** Names and values in base64. */
  readonly xattrs?: readonly (readonly [string, string])[];
  readonly device?: readonly [major: number, minor: number];
  /** Where it is not the size. */
  readonly stored?: number;
  readonly sparse?: readonly SparsePiece[];
}

/** A member as a line of a list; what ends it may be left out. */
type Line = readonly [
  type: TarType,
  name: string,
  mode: number,
  uid: number,
  gid: number,
  mtime: number,
  offset: number,
  size?: number,
  linkName?: string,
  rest?: Rest,
];

/** All that the headers of an archive say, as text: reading it is much faster than going through the archive. */
export function encodeMembers(members: readonly TarHeader[]): string {
  return JSON.stringify(members.map(lineOf));
}

/**
 * The inverse of {@link encodeMembers}, with contents that are slices of the archive.
 *
 * @param text - made by {@link encodeMembers}: whoever kept it knows that it is unchanged
 */
export function decodeMembers(text: string, archive: Content): IndexedMember[] {
  return (JSON.parse(text) as Line[]).map((line) => memberOf(line, archive));
}

function lineOf(member: TarHeader): Line {
  const { type, name, mode, uid, gid, mtime, offset, size, linkName } = member;
  const line = [type, name, mode, uid, gid, mtime, offset] as const;
  const rest = restOf(member);
  if (rest !== undefined) return [...line, size, linkName, rest];
  if (linkName !== "") return [...line, size, linkName];
  return size === 0 ? line : [...line, size];
}

function restOf({ xattrs, major, minor, size, stored, sparse }: TarHeader): Rest | undefined {
  const rest: Rest = {
    ...(xattrs === undefined
      ? {}
      : { xattrs: [...xattrs].map(([name, value]) => [name, Buffer.from(value).toString("base64")]) }),
    ...(major === 0 && minor === 0 ? {} : { device: [major, minor] }),
    ...(stored === size ? {} : { stored }),
    ...(sparse === undefined ? {} : { sparse }),
  };
  return Object.keys(rest).length === 0 ? undefined : rest;
}

function memberOf(
  [type, name, mode, uid, gid, mtime, offset, size = 0, linkName = "", rest]: Line,
  archive: Content,
): IndexedMember {
  if (rest === undefined) {
    const content = sliceContent(archive, offset, size);
    const [major, minor] = [0, 0];
    return { name, type, mode, uid, gid, mtime, size, linkName, major, minor, offset, stored: size, content };
  }
  const { xattrs, device: [major, minor] = [0, 0], stored = size, sparse } = rest;
  const place = { offset, size, stored, ...(sparse === undefined ? {} : { sparse }) };
  return {
    ...{ type, name, mode, uid, gid, mtime, linkName, major, minor },
    ...(xattrs === undefined
      ? {}
      : { xattrs: new Map(xattrs.map(([key, value]) => [key, Buffer.from(value, "base64")])) }),
    ...place,
    content: memberContent(archive, place),
  };
}
