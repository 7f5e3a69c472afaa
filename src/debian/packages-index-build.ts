import { crc32 } from "node:zlib";
import { WhittleError } from "../io/index.ts";
import { type BodyField, bodyFields, headerLength, magic, tableLengths } from "./packages-index-format.ts";
import { stanzaBlocks, TextMemory } from "./packages-index-memory.ts";

/** Fields whose names count as mentioned, in the order in which apt's cache reads them. */
const mentioningFields = [
  "Pre-Depends",
  "Depends",
  "Conflicts",
  "Breaks",
  "Recommends",
  "Suggests",
  "Replaces",
  "Enhances",
] as const;

type Field = BodyField | (typeof mentioningFields)[number] | "Package";

const wanted = new Set<string>([...bodyFields, ...mentioningFields, "Package"]);

interface BuiltVersion {
  readonly name: number;
  /** Where its body lies. */
  readonly start: number;
  readonly end: number;
}

interface BuiltProvide {
  readonly name: number;
  readonly version: number;
  readonly text: string;
}

/** What is gathered while the file streams by; name numbers are ranks: the order of first mention. */
class Gathered {
  readonly bodies: TextMemory;
  readonly ranks = new Map<string, number>();
  readonly versions: BuiltVersion[] = [];
  readonly provides: BuiltProvide[] = [];
  readonly essentials: number[] = [];
  readonly requireds: number[] = [];
  /** The architecture that `name:native` means: that of the file's packages that are not `all`. */
  native = "";

  constructor(bodies: TextMemory) {
    this.bodies = bodies;
  }

  mention(name: string): number {
    const known = this.ranks.get(name);
    if (known !== undefined) return known;
    // A copy of its own: a substring would keep the whole chunk of the file in memory.
    this.ranks.set(Buffer.from(name, "latin1").toString("latin1"), this.ranks.size);
    return this.ranks.size - 1;
  }
}

const bodies = new TextMemory();

/**
 * Reads a `Packages` file (deb-src-control(5) stanzas, Debian repository format) of any size piece by piece and makes
 * its compact form. It blocks meanwhile.
 *
 * @param path - the uncompressed file
 * @param sha256 - what its bytes are known by, in hexadecimal; recorded, not checked
 * @returns the compact form, in memory that the next one is made in
 * @throws WhittleError `ARCHIVE_CORRUPT` for a stanza without the fields that every package has
 */
export function buildIndex(path: string, sha256: string): Uint8Array {
  bodies.clear();
  const gathered = new Gathered(bodies);
  for (const stanzas of stanzaBlocks(path)) {
    let at = 0;
    while (at < stanzas.length) {
      const end = stanzas.indexOf("\n\n", at);
      const stop = end < 0 ? stanzas.length : end + 1;
      addStanza(gathered, stanzas, at, stop, path);
      at = stop + 1;
    }
  }
  return encode(gathered, sha256);
}

function addStanza(gathered: Gathered, text: string, start: number, stop: number, path: string): void {
  const fields = readFields(text, start, stop);
  if (fields.size === 0) return;
  const name = fields.get("Package")?.toLowerCase();
  const architecture = fields.get("Architecture");
  if (name === undefined || architecture === undefined || !fields.has("Version")) {
    throw corrupt(path, `a stanza (of ${name ?? "no package"}) lacks Package, Version or Architecture`);
  }
  if (architecture !== "all") gathered.native = architecture;
  const rank = gathered.mention(name);
  for (const field of mentioningFields) mentionAll(gathered, fields.get(field));
  const version = gathered.versions.length;
  const { bodies } = gathered;
  const body = bodies.length;
  bodies.add(bodyFields.map((field) => fields.get(field) ?? "").join("\n"));
  gathered.versions.push({ name: rank, start: body, end: bodies.length });
  if (fields.get("Essential") === "yes") gathered.essentials.push(version);
  if (fields.get("Priority") === "required") gathered.requireds.push(version);
  addProvides(gathered, version, fields.get("Provides"));
}

function readFields(text: string, start: number, stop: number): Map<Field, string> {
  const fields = new Map<Field, string>();
  let last: Field | undefined;
  for (let at = start; at < stop; ) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 || newline > stop ? stop : newline;
    const first = text.charCodeAt(at);
    if (first === 32 || first === 9) {
      if (last !== undefined) fields.set(last, `${fields.get(last)} ${text.slice(at, end).trim()}`);
    } else {
      const colon = text.indexOf(":", at);
      const key = text.slice(at, colon < 0 || colon > end ? end : colon);
      last = wanted.has(key) ? (key as Field) : undefined;
      if (last !== undefined) fields.set(last, text.slice(colon + 1, end).trim());
    }
    at = end + 1;
  }
  return fields;
}

const relationName = /([^\s:()|,<>[\]]+)(?::([^\s:()|,<>[\]]+))?[^,|]*[,|]?\s*/y;

function mentionAll(gathered: Gathered, relations: string | undefined): void {
  if (relations === undefined) return;
  relationName.lastIndex = 0;
  for (let match = relationName.exec(relations); match !== null; match = relationName.exec(relations)) {
    const [, name = "", qualifier] = match;
    // `name:any` is a name of its own to apt, and does not mention `name`.
    const isPlain = qualifier === undefined || qualifier === "native" || qualifier === gathered.native;
    gathered.mention(isPlain ? name : `${name}:${qualifier}`);
  }
}

const provided = /([^\s:()|,]+)(?::([^\s:()|,]+))?\s*(?:\(\s*=\s*([^\s()]+)\s*\))?[^,]*,?\s*/y;

function addProvides(gathered: Gathered, version: number, provides: string | undefined): void {
  if (provides === undefined) return;
  provided.lastIndex = 0;
  for (let match = provided.exec(provides); match !== null; match = provided.exec(provides)) {
    const [, name = "", qualifier, text = ""] = match;
    const isPlain = qualifier === undefined || qualifier === gathered.native;
    gathered.provides.push({
      name: gathered.mention(isPlain ? name : `${name}:${qualifier}`),
      version,
      text: text === "" ? "" : Buffer.from(text, "latin1").toString("latin1"),
    });
  }
}

function encode(gathered: Gathered, sha256: string): Uint8Array {
  const names = [...gathered.ranks].sort(([a], [b]) => (a < b ? -1 : 1));
  const numberOfRank = new Uint32Array(names.length);
  names.forEach(([, rank], number) => {
    numberOfRank[rank] = number;
  });
  const nameOf = (rank: number) => numberOfRank[rank] ?? 0;

  const versionOrder = gathered.versions
    .map((_, index) => index)
    .sort((a, b) => nameOf(nameAt(gathered.versions, a)) - nameOf(nameAt(gathered.versions, b)) || a - b);
  const newVersion = new Uint32Array(versionOrder.length);
  versionOrder.forEach((old, number) => {
    newVersion[old] = number;
  });
  const versions = versionOrder.flatMap((old) => gathered.versions[old] ?? []);
  const provides = gathered.provides
    .map((provide, order) => ({ ...provide, order }))
    .sort((a, b) => nameOf(a.name) - nameOf(b.name) || a.order - b.order);

  const counts = {
    names: names.length,
    versions: versions.length,
    provides: provides.length,
    essentials: gathered.essentials.length,
    requireds: gathered.requireds.length,
  };
  const lengths = tableLengths(counts);
  const tables = Object.fromEntries(
    Object.entries(lengths).map(([table, length]) => [table, new Uint32Array(length)]),
  ) as Record<keyof typeof lengths, Uint32Array>;

  const pieces: string[] = [];
  let textLength = 0;
  const addText = (text: string): number => {
    pieces.push(text);
    textLength += text.length;
    return textLength - text.length;
  };
  names.forEach(([name, rank], number) => {
    tables.nameStart[number] = addText(name);
    tables.rank[number] = rank;
  });
  tables.nameStart[names.length] = textLength;

  let bodiesLength = 0;
  versions.forEach(({ name, start, end }, number) => {
    tables.versionName[number] = nameOf(name);
    tables.bodyStart[number] = bodiesLength;
    tables.bodyCheck[number] = crc32(gathered.bodies.part(start, end));
    bodiesLength += end - start;
  });
  tables.bodyStart[versions.length] = bodiesLength;
  provides.forEach(({ version, text }, number) => {
    tables.provider[number] = newVersion[version] ?? 0;
    tables.provideText[number] = addText(text);
    tables.provideTextLength[number] = text.length;
  });
  fillStarts(
    tables.versionStart,
    versions.map(({ name }) => nameOf(name)),
  );
  fillStarts(
    tables.provideStart,
    provides.map(({ name }) => nameOf(name)),
  );
  const renumbered = (versions: readonly number[]): number[] =>
    versions.map((old) => newVersion[old] ?? 0).sort((a, b) => a - b);
  tables.essential.set(renumbered(gathered.essentials));
  tables.required.set(renumbered(gathered.requireds));

  const entries = Object.values(lengths).reduce((sum, length) => sum + length, 0);
  const whole = resultOf(headerLength + 4 * entries + textLength + bodiesLength);
  let at = headerLength;
  for (const table of Object.values(tables)) {
    whole.set(Buffer.from(table.buffer), at);
    at += table.byteLength;
  }
  at += whole.write(pieces.join(""), at, "latin1");
  const check = crc32(whole.subarray(headerLength, at));
  for (const { start, end } of versions) {
    whole.set(gathered.bodies.part(start, end), at);
    at += end - start;
  }
  magic.copy(whole);
  whole.write(sha256, magic.length, "hex");
  [...Object.values(counts), textLength, bodiesLength, check].forEach((value, index) => {
    whole.writeUInt32LE(value, magic.length + 32 + 4 * index);
  });
  return whole;
}

// Pages of it that nothing is written to are never there.
const resultUnit = 64 * 1024 * 1024;
// Shared, so that another thread can write it to a file without a copy of its own.
let result = new SharedArrayBuffer(0);

function resultOf(length: number): Buffer {
  if (result.byteLength < length) result = new SharedArrayBuffer(Math.ceil(length / resultUnit) * resultUnit);
  return Buffer.from(result, 0, length);
}

function nameAt(versions: readonly BuiltVersion[], index: number): number {
  return versions[index]?.name ?? 0;
}

/** Makes of a sorted list of owners the table of where each owner's entries start. */
function fillStarts(starts: Uint32Array, owners: readonly number[]): void {
  let owner = 0;
  owners.forEach((current, index) => {
    while (owner <= current) starts[owner++] = index;
  });
  while (owner < starts.length) starts[owner++] = owners.length;
}

function corrupt(path: string, found: string): WhittleError {
  return new WhittleError(
    "ARCHIVE_CORRUPT",
    `Cannot read the package index ${path}: ${found}, stanzas of a Packages file are wanted`,
  );
}
