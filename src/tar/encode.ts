import { compareNames, type Entry, isUtf8Name, nameBytes } from "../tree/index.ts";
import { blockSize, padded } from "./header.ts";
import { formatPax } from "./pax.ts";

/** What is written for one member; `name` without a leading slash. */
export interface MemberToWrite {
  readonly name: string;
  readonly entry: Entry;
  /** The name of the file that this one is a hard link to. */
  readonly linkTo?: string;
  readonly details?: MemberDetails;
}

/** What a header says beside what the entry says. */
export interface MemberDetails {
  /** Further PAX records. */
  readonly records: readonly (readonly [string, string])[];
  /** Bits of the mode above the permissions. */
  readonly mode: number;
}

const mostOctal = { seven: 0o7777777, eleven: 0o77777777777 } as const;

/** The types of entries as headers write them (POSIX pax, "ustar Interchange Format"). */
export const typeFlags: Readonly<Record<Entry["type"], string>> = {
  file: "0",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

/**
 * The header blocks of a member: ustar, with PAX records before it for whatever ustar cannot say (long or
 * non-ASCII names, large numbers, fractions of seconds, xattrs). No user or group names, so that the bytes depend
 * on the entry only.
 */
export function encodeHeader(member: MemberToWrite): Buffer {
  const { entry, linkTo } = member;
  const name = nameBytes(
    entry.type === "directory" && !member.name.endsWith("/") ? `${member.name}/` : member.name,
  );
  const link = nameBytes(linkTo ?? (entry.type === "symlink" ? entry.target : ""));
  const size = entry.type === "file" && linkTo === undefined ? entry.content.size : 0;
  const split = splitName(name);
  const seconds = Math.floor(entry.mtime);
  const records: [string, Uint8Array | string][] = [];
  const strange = (bytes: Buffer): boolean => bytes.some((byte) => byte >= 0x80);
  if (split === undefined || strange(name)) records.push(["path", name]);
  if (link.length > 100 || strange(link)) records.push(["linkpath", link]);
  if (entry.uid > mostOctal.seven) records.push(["uid", String(entry.uid)]);
  if (entry.gid > mostOctal.seven) records.push(["gid", String(entry.gid)]);
  if (size > mostOctal.eleven) records.push(["size", String(size)]);
  if (seconds !== entry.mtime || seconds < 0 || seconds > mostOctal.eleven) {
    records.push(["mtime", formatTime(entry.mtime)]);
  }
  const xattrs = [...(entry.xattrs ?? [])].sort(([a], [b]) => compareNames(a, b));
  for (const [key, value] of xattrs) records.push([`SCHILY.xattr.${key}`, value]);
  for (const [key, value] of member.details?.records ?? []) records.push([key, value]);
  if (records.some(([, value]) => value === name || value === link) && !bothUtf8(member)) {
    records.unshift(["hdrcharset", "BINARY"]);
  }
  const header = block({
    name: split?.name ?? name.subarray(0, 100),
    prefix: split?.prefix ?? Buffer.alloc(0),
    mode: (entry.mode & 0o7777) | (member.details?.mode ?? 0),
    uid: entry.uid > mostOctal.seven ? 0 : entry.uid,
    gid: entry.gid > mostOctal.seven ? 0 : entry.gid,
    size: size > mostOctal.eleven ? 0 : size,
    mtime: Math.max(0, Math.min(seconds, mostOctal.eleven)),
    flag: linkTo === undefined ? typeFlags[entry.type] : "1",
    link: link.subarray(0, 100),
    major: entry.type === "character" || entry.type === "block" ? entry.major : 0,
    minor: entry.type === "character" || entry.type === "block" ? entry.minor : 0,
  });
  return records.length === 0 ? header : Buffer.concat([...extended(name, formatPax(records)), header]);
}

function bothUtf8(member: MemberToWrite): boolean {
  const link = member.linkTo ?? (member.entry.type === "symlink" ? member.entry.target : "");
  return isUtf8Name(member.name) && isUtf8Name(link);
}

/** Seconds as a decimal number without an exponent. */
function formatTime(seconds: number): string {
  const text = String(seconds);
  return text.includes("e") ? seconds.toFixed(9) : text;
}

function extended(name: Buffer, records: Buffer): Buffer[] {
  const ascii = name
    .toString("latin1")
    .replace(/[^ -~]/g, "_")
    .replace(/\/$/, "");
  const header = block({
    name: Buffer.from(`PaxHeaders/${ascii.slice(ascii.lastIndexOf("/") + 1)}`.slice(0, 100)),
    prefix: Buffer.alloc(0),
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: records.length,
    mtime: 0,
    flag: "x",
    link: Buffer.alloc(0),
    major: 0,
    minor: 0,
  });
  return [header, records, Buffer.alloc(padded(records.length) - records.length)];
}

/** Cuts a name that is too long for its field at a slash, so that the front fits into the prefix field. */
function splitName(name: Buffer): { readonly name: Buffer; readonly prefix: Buffer } | undefined {
  if (name.length <= 100) return { name, prefix: Buffer.alloc(0) };
  // The slash that a directory ends in cannot be the one: both parts must hold something.
  for (
    let slash = name.lastIndexOf(0x2f, name.length - 2);
    slash > 0;
    slash = name.lastIndexOf(0x2f, slash - 1)
  ) {
    if (name.length - slash - 1 > 100) return undefined;
    if (slash <= 155) return { name: name.subarray(slash + 1), prefix: name.subarray(0, slash) };
  }
  return undefined;
}

interface Fields {
  readonly name: Buffer;
  readonly prefix: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly flag: string;
  readonly link: Buffer;
  readonly major: number;
  readonly minor: number;
}

// What is the same in every header: the magic, the version, and the field of the checksum, which counts as blanks.
const emptyHeader = Buffer.alloc(blockSize);
emptyHeader.write("        ", 148, "latin1");
emptyHeader.write("ustar\x0000", 257, "latin1");

function block(fields: Fields): Buffer {
  const header = Buffer.from(emptyHeader);
  header.set(fields.name, 0);
  putOctal(header, fields.mode, 100, 7);
  putOctal(header, fields.uid, 108, 7);
  putOctal(header, fields.gid, 116, 7);
  putOctal(header, fields.size, 124, 11);
  putOctal(header, fields.mtime, 136, 11);
  header[156] = fields.flag.charCodeAt(0);
  header.set(fields.link, 157);
  putOctal(header, fields.major, 329, 7);
  putOctal(header, fields.minor, 337, 7);
  header.set(fields.prefix, 345);
  putOctal(header, sumOf(header), 148, 6);
  header[154] = 0;
  return header;
}

/** Writes a number with leading zeros. */
function putOctal(header: Buffer, value: number, at: number, digits: number): void {
  let rest = value;
  for (let place = at + digits - 1; place >= at; place--) {
    header[place] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
}

function sumOf(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < header.length; at++) sum += header[at] ?? 0;
  return sum;
}
