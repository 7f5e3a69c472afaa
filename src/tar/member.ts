import type { Content } from "../io/index.ts";

export type TarType = "file" | "directory" | "symlink" | "hardlink" | "character" | "block" | "fifo";

/** What an archive says about one member, whichever of the formats said it. */
export interface TarHeader {
  /** As stored, a trailing slash included; not yet checked for `..`. */
  readonly name: string;
  readonly type: TarType;
  /** The low 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch, perhaps with a fraction. */
  readonly mtime: number;
  /** Bytes of the file as it will be read, holes included; 0 for anything but files. */
  readonly size: number;
  /** Target of a symbolic or hard link, else empty. */
  readonly linkName: string;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  readonly major: number;
  readonly minor: number;
  /** Where the stored bytes begin in the archive. */
  readonly offset: number;
  /** How many bytes are stored; fewer than `size` for a sparse file. */
  readonly stored: number;
  /** The pieces of a sparse file that are stored, in order. */
  readonly sparse?: readonly SparsePiece[];
}

/** A stored piece of a sparse file: where it belongs in the file and how long it is. */
export interface SparsePiece {
  readonly offset: number;
  readonly length: number;
}

/** A member met in a stream: its body can be read once, before the next member is asked for. */
export interface TarMember extends TarHeader {
  readonly body: AsyncIterable<Uint8Array>;
}

/** A member of an archive that can be read anywhere: its content can be opened at any time. */
export interface IndexedMember extends TarHeader {
  readonly content: Content;
}

/** What an archive may ask of its reader; beyond it is refused as hostile. */
export interface TarLimits {
  /** Bytes of one extended header (PAX records, GNU long name, sparse map). */
  readonly header: number;
  /** Number of members. */
  readonly members: number;
  /** Bytes of one file as it will be read, holes included. */
  readonly fileSize: number;
}

export const defaultLimits: TarLimits = {
  header: 1024 * 1024,
  members: 4_000_000,
  fileSize: 1024 ** 4,
};
