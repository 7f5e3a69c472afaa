import type { Content } from "../io/index.ts";
import { type Dynamic, readDynamic } from "./dynamic.ts";
import type { ElfFacts } from "./facts.ts";
import { ElfFile, type ElfParts } from "./file.ts";
import { type ElfHeader, readHeader, segmentTypes } from "./header.ts";

const longestPath = 4096;

/**
 * Reads an ELF file: its header, program headers and dynamic section, in two or three small reads whatever its
 * size.
 *
 * @param what - the file's name in an error
 * @returns `undefined` when it is not an ELF file
 * @throws WhittleError `ELF_INVALID` when it is a malformed one
 */
export function readElf(content: Content, what = "the file"): Promise<ElfFile | undefined> {
  let file = read.get(content);
  if (file === undefined) {
    file = parseElf(content, what);
    read.set(content, file);
  }
  return file;
}

/** Files that were read: the loader, the evidence and the check of machines ask for the same ones. */
const read = new WeakMap<Content, Promise<ElfFile | undefined>>();

/**
 * Has {@link readElf} answer from facts that somebody took along, without reading the file; what they do not tell is
 * read from it when it is asked for. A file that was read already stays as it is.
 *
 * @param facts - of these very bytes; `null` says that they are no ELF file
 * @param what - the file's name in an error
 */
export function recallElf(content: Content, facts: ElfFacts | null, what: string): void {
  if (read.has(content)) return;
  const parts = once(async () => partsOf(await readHeader(content, what)));
  read.set(content, Promise.resolve(facts === null ? undefined : new ElfFile(facts, parts, false)));
}

/** What was read of a file, or recalled; `undefined` when nobody has asked for it, or it is malformed. */
export async function elfIfRead(
  content: Content,
): Promise<{ readonly elf: ElfFile | undefined } | undefined> {
  const reading = read.get(content);
  return reading?.then(
    (elf) => ({ elf }),
    () => undefined,
  );
}

async function parseElf(content: Content, what: string): Promise<ElfFile | undefined> {
  const header = await readHeader(content, what);
  if (header === undefined) return undefined;
  const parts = await partsOf(header);
  const interpreter = await readInterpreter(header);
  const { machine, type } = header;
  const facts: ElfFacts = {
    machine,
    type,
    ...(parts.dynamic === undefined ? {} : { dynamic: namesIn(parts.dynamic) }),
    ...(interpreter === undefined ? {} : { interpreter }),
    more: {},
  };
  return new ElfFile(facts, async () => parts, true);
}

async function partsOf(header: ElfHeader | undefined): Promise<ElfParts> {
  if (header === undefined)
    throw new Error("Internal error: the facts of an ELF file are those of another file");
  return { header, dynamic: await readDynamic(header) };
}

function namesIn({ tables: _, ...names }: Dynamic): Omit<Dynamic, "tables"> {
  return names;
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= work();
    return result;
  };
}

async function readInterpreter(header: ElfHeader): Promise<string | undefined> {
  const segment = header.segments.find(({ type }) => type === segmentTypes.interpreter);
  if (segment === undefined) return undefined;
  const table = await header.source.read(segment.offset, segment.fileSize, longestPath);
  return table.string(0) ?? table.bytes.toString("utf8");
}
