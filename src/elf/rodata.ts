import { type ElfHeader, segmentTypes } from "./header.ts";

/** Where read-only data is in a file. */
interface Extent {
  readonly offset: number;
  readonly size: number;
}

const mostSections = 65_536;
const mostNames = 4 * 1024 * 1024;
const allocated = 2;
const writeOrExecute = 5;
const programBits = 1;

/**
 * Read-only data: the `.rodata*` sections where the file has section headers, else what is loaded for reading
 * only, else all that is loaded without being writable.
 *
 * @throws WhittleError `ELF_INVALID`
 */
export async function readOnlyExtents(header: ElfHeader): Promise<Extent[]> {
  const inside = ({ offset, size }: Extent): boolean =>
    size > 0 && offset + size <= header.source.content.size;
  const sections = notOverlapping(header, (await rodataSections(header)).filter(inside));
  if (sections.length > 0) return sections;
  const loaded = header.segments.filter(({ type, flags }) => type === segmentTypes.load && (flags & 2) === 0);
  const readable = loaded.filter(({ flags }) => (flags & 1) === 0);
  const extents = (readable.length > 0 ? readable : loaded).map(({ offset, fileSize }) => ({
    offset,
    size: fileSize,
  }));
  return notOverlapping(header, extents.filter(inside));
}

/** Refuses pieces that together are longer than the file: reading them would have no bound. */
function notOverlapping(header: ElfHeader, extents: Extent[]): Extent[] {
  const total = extents.reduce((sum, { size }) => sum + size, 0);
  if (total > header.source.content.size) throw header.source.invalid("its read-only parts overlap");
  return extents;
}

async function rodataSections(header: ElfHeader): Promise<Extent[]> {
  const { source, sections } = header;
  const wide = source.encoding.bits === 64;
  const { offset, entrySize, count } = sections;
  if (offset === 0 || count === 0 || entrySize !== (wide ? 64 : 40) || count > mostSections) return [];
  // Section headers are not needed to run a program: some tools cut them off and leave the header as it was.
  if (offset + count * entrySize > source.content.size) return [];
  const table = await source.read(offset, count * entrySize);
  const read = (index: number) => {
    const at = index * entrySize;
    return {
      name: table.u32(at),
      type: table.u32(at + 4),
      flags: table.word(at + 8),
      offset: table.word(at + (wide ? 24 : 16)),
      size: table.word(at + (wide ? 32 : 20)),
    };
  };
  if (sections.names >= count) return [];
  const names = read(sections.names);
  if (names.size > mostNames || names.offset + names.size > source.content.size) return [];
  const text = await source.read(names.offset, names.size);
  return Array.from({ length: count }, (_, index) => read(index)).filter(
    ({ name, type, flags }) =>
      type === programBits &&
      (flags & allocated) !== 0 &&
      (flags & writeOrExecute) === 0 &&
      name < text.length &&
      (text.string(name) ?? "").startsWith(".rodata"),
  );
}

// The longest name that a directory can hold; a longer piece of text is no library.
const longestName = 255;
const soname = /^lib[\w.+-]*\.so(?:\.[\w.+-]+)?$/;

/**
 * The strings of read-only data that are, from one NUL byte to the next, the name of a shared library:
 * `lib*.so` or `lib*.so.*`, without a slash. Read in pieces, whatever the size.
 *
 * @throws WhittleError `ELF_INVALID`
 */
export async function readSonameStrings(header: ElfHeader): Promise<string[]> {
  const found = new Set<string>();
  for (const { offset, size } of await readOnlyExtents(header)) {
    let rest = Buffer.alloc(1);
    for await (const chunk of header.source.content.open({ start: offset, end: offset + size })) {
      const bytes = Buffer.concat([rest, chunk]);
      for (const name of libraryStrings(bytes)) found.add(name);
      // The string that a chunk ends in may go on in the next one, with the NUL byte before it.
      const cut = Math.max(0, bytes.lastIndexOf(0));
      rest = bytes.subarray(bytes.length - cut > longestName + 1 ? bytes.length : cut);
    }
  }
  return [...found].sort();
}

/** Looks for the rarest part of such a name first: most of the bytes are passed over without being made a text. */
function* libraryStrings(bytes: Buffer): Generator<string> {
  for (let at = bytes.indexOf(".so"); at >= 0; at = bytes.indexOf(".so", at + 1)) {
    const start = bytes.lastIndexOf(0, at) + 1;
    const end = bytes.indexOf(0, at);
    if (end < 0) return;
    if (start === 0 || end - start > longestName) continue;
    const name = bytes.toString("latin1", start, end);
    if (soname.test(name)) yield name;
  }
}
