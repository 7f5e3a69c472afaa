import { nameBytes, nameText } from "../tree/index.ts";
import { corrupt } from "./failure.ts";

/** The records of an extended header: keyword to value, as bytes, because xattr values are. */
export type PaxRecords = Map<string, Buffer>;

const newline = 0x0a;
const space = 0x20;
const equals = 0x3d;

/**
 * Reads the records of a PAX extended header (POSIX.1-2001, pax, "pax Extended Header"): each is
 * `LENGTH KEYWORD=VALUE\n`, and LENGTH counts all of it.
 *
 * @throws WhittleError `ARCHIVE_CORRUPT` when a record does not fill exactly the length it claims
 */
export function parsePax(data: Buffer, at: number): PaxRecords {
  const records: PaxRecords = new Map();
  for (let start = 0; start < data.length; ) {
    // Some writers fill the rest of the header with NULs.
    if (data[start] === 0 && data.subarray(start).every((byte) => byte === 0)) break;
    const gap = data.indexOf(space, start);
    const digits = gap === -1 ? "" : data.toString("latin1", start, Math.min(gap, start + 12));
    const end = start + Number(digits);
    const sign = data.indexOf(equals, gap + 1);
    if (
      !/^\d+$/.test(digits) ||
      end > data.length ||
      sign === -1 ||
      sign >= end ||
      data[end - 1] !== newline
    ) {
      throw corrupt("a PAX record is malformed", at);
    }
    addRecord(records, nameText(data.subarray(gap + 1, sign)), data.subarray(sign + 1, end - 1), at);
    start = end;
  }
  return records;
}

function addRecord(records: PaxRecords, keyword: string, value: Buffer, at: number): void {
  if (keyword === "" || keyword.includes("\0")) throw corrupt("a PAX keyword is malformed", at);
  // A path that is cut at a NUL by some readers and not by others names two files.
  if ((keyword === "path" || keyword === "linkpath" || keyword === "GNU.sparse.name") && value.includes(0)) {
    throw corrupt(`the PAX record "${keyword}" holds a NUL byte`, at);
  }
  if (keyword === "GNU.sparse.offset" || keyword === "GNU.sparse.numbytes") {
    // Version 0.0 repeats two keywords; 0.1 has one list of the same numbers.
    const list = records.get("GNU.sparse.map");
    records.set(
      "GNU.sparse.map",
      list === undefined ? value : Buffer.concat([list, Buffer.from(","), value]),
    );
    return;
  }
  records.set(keyword, value);
}

/** Writes records in the order given. */
export function formatPax(records: Iterable<readonly [string, Uint8Array | string]>): Buffer {
  const parts: Uint8Array[] = [];
  for (const [keyword, value] of records) {
    const bytes = typeof value === "string" ? nameBytes(value) : value;
    const key = nameBytes(keyword);
    const body = key.length + bytes.length + 3;
    let length = body + String(body).length;
    if (String(length).length !== String(body).length) length = body + String(length).length;
    parts.push(Buffer.from(`${length} `), key, Buffer.of(equals), bytes, Buffer.of(newline));
  }
  return Buffer.concat(parts);
}

/** A whole number of a record, zero or more. */
export function paxInteger(value: Buffer, keyword: string, at: number): number {
  const text = value.toString("latin1");
  const number = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(number)) {
    throw corrupt(`the PAX record "${keyword}" is not a usable number`, at);
  }
  return number;
}

/** A time of a record: seconds, perhaps negative, perhaps with a fraction. */
export function paxTime(value: Buffer, keyword: string, at: number): number {
  const text = value.toString("latin1");
  if (!/^-?\d{1,15}(\.\d*)?$/.test(text)) throw corrupt(`the PAX record "${keyword}" is not a time`, at);
  return Number(text);
}
