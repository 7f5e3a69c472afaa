import { type ElfHeader, segmentTypes } from "./header.ts";

/** One entry of a `.note.dlopen` section: a feature that needs one of some libraries. */
export interface DlopenNote {
  /** Alternatives, the preferred one first. */
  readonly sonames: readonly string[];
  readonly feature?: string;
  readonly description?: string;
  /** The specification knows `required`, `recommended` (the default) and `suggested`. */
  readonly priority: string;
}

// systemd's ELF_DLOPEN specification ("FDO .note.dlopen").
const noteType = 0x407c0c0a;
const noteOwner = "FDO";
const mostNotes = 1024 * 1024;

/**
 * The `.note.dlopen` notes of a file. A note whose JSON is not what the specification says is passed over: it
 * is advice, and the file works without.
 *
 * @throws WhittleError `ELF_INVALID` when the note segments themselves are malformed
 */
export async function readDlopenNotes(header: ElfHeader): Promise<DlopenNote[]> {
  const result: DlopenNote[] = [];
  const segments = header.segments.filter(({ type, fileSize }) => type === segmentTypes.note && fileSize > 0);
  if (segments.reduce((sum, { fileSize }) => sum + fileSize, 0) > mostNotes) {
    throw header.source.invalid("its notes are too long");
  }
  for (const segment of segments) {
    const table = await header.source.read(segment.offset, segment.fileSize, mostNotes);
    const alignment = segment.alignment === 8 ? 8 : 4;
    let at = 0;
    while (at + 12 <= table.length) {
      const [nameSize, size, type] = [table.u32(at), table.u32(at + 4), table.u32(at + 8)];
      const start = align(at + 12 + nameSize, alignment);
      if (start + size > table.length) break;
      if (type === noteType && nameSize === 4 && table.string(at + 12) === noteOwner) {
        result.push(...parseNote(table.bytes.toString("utf8", start, start + size)));
      }
      at = align(start + size, alignment);
    }
  }
  return result;
}

function align(at: number, alignment: number): number {
  return Math.ceil(at / alignment) * alignment;
}

function parseNote(text: string): DlopenNote[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.split("\0", 1)[0] ?? "");
  } catch {
    return [];
  }
  return Array.isArray(parsed) ? parsed.flatMap((one) => noteOf(one) ?? []) : [];
}

function noteOf(value: unknown): DlopenNote | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { soname, feature, description, priority } = value as Record<string, unknown>;
  const sonames = Array.isArray(soname) ? soname.filter((one) => typeof one === "string" && one !== "") : [];
  if (sonames.length === 0) return undefined;
  return {
    sonames,
    ...(typeof feature === "string" ? { feature } : {}),
    ...(typeof description === "string" ? { description } : {}),
    priority: typeof priority === "string" ? priority : "recommended",
  };
}
