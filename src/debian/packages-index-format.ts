/**
 * The compact form of one `Packages` file, made once and kept in the cache. The numbers of the header are
 * little-endian, the tables are in the byte order of the machine, whose cache it is:
 *
 *     magic (8 bytes, the last is the format's version)
 *     SHA-256 of the Packages file (32 bytes)
 *     counts: names, versions, provides, essentials, requireds; length of the text, of the bodies; CRC-32 of tables and
 *         text (8 × u32)
 *     tables (u32 each, in the order of `tableLengths`)
 *     text: all names, sorted, without separators; then the versions that `Provides` fields give
 *     bodies: one text for each version of a package, its fields separated by line feeds
 *
 * Names are all names that the file mentions. Opening reads everything but the bodies; a body is read when asked for.
 */
export const magic = Buffer.from("WHPKGS\0\x02", "latin1");

/** Bytes before the tables. */
export const headerLength = magic.length + 32 + 8 * 4;

/** What a file with these counts is made of. */
export interface Counts {
  readonly names: number;
  readonly versions: number;
  readonly provides: number;
  readonly essentials: number;
  readonly requireds: number;
}

/** The tables and their lengths in entries. */
export function tableLengths(counts: Counts) {
  return {
    /** Where a name starts in the text; one more than there are names. */
    nameStart: counts.names + 1,
    /** When the file first mentioned the name: apt prefers later names among providers that are else equal. */
    rank: counts.names,
    /** First version of a name; a name's versions are neighbours, in the file's order. */
    versionStart: counts.names + 1,
    /** First entry among the provides of a name, in the file's order. */
    provideStart: counts.names + 1,
    /** Which name a version is of. */
    versionName: counts.versions,
    bodyStart: counts.versions + 1,
    /** CRC-32 of each body. */
    bodyCheck: counts.versions,
    /** Which version provides. */
    provider: counts.provides,
    /** Where the provided version starts in the text, and its length; length 0 for an unversioned `Provides`. */
    provideText: counts.provides,
    provideTextLength: counts.provides,
    /** Versions marked `Essential: yes`. */
    essential: counts.essentials,
    /** Versions whose priority is `required`. */
    required: counts.requireds,
  };
}

export type TableName = keyof ReturnType<typeof tableLengths>;

/** The fields of a body, in order. */
export const bodyFields = [
  "Version",
  "Architecture",
  "Source",
  "Filename",
  "Size",
  "SHA256",
  "Installed-Size",
  "Priority",
  "Section",
  "Multi-Arch",
  "Essential",
  "Protected",
  "Pre-Depends",
  "Depends",
  "Conflicts",
  "Breaks",
  "Recommends",
  "Suggests",
  "Replaces",
  "Provides",
] as const;

export type BodyField = (typeof bodyFields)[number];
