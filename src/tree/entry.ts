import type { Content } from "../io/index.ts";

/** Where an entry came from. Everything that explains an image (`tree`, `why`, SBOM, `diff`) reads this. */
export type Origin =
  | {
      readonly kind: "package";
      readonly name: string;
      readonly version: string;
      readonly architecture: string;
      /** The source package and its version, as the package's own metadata names them. */
      readonly source?: string;
    }
  /** A file of the build context or of a directory: the path as the person wrote it. */
  | { readonly kind: "context"; readonly path: string }
  /** A layer of an image. */
  | { readonly kind: "layer"; readonly digest: string; readonly index: number; readonly createdBy?: string }
  /** A build step: an instruction of a Dockerfile or a section of a recipe, with its position. */
  | { readonly kind: "step"; readonly name: string; readonly file?: string; readonly line?: number }
  /** Written by Whittle itself; `what` says for which purpose. */
  | { readonly kind: "generated"; readonly what: string };

/** What all entries have. */
export interface Attributes {
  /** Permission bits with setuid, setgid and sticky: the low 12 bits, no type bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch; may have a fraction. */
  readonly mtime: number;
  /** Extended attributes by full name (`security.capability`). */
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  readonly origin?: Origin;
}

/**
 * Identity of a file with several names. Files that carry the same `Inode` object are hard links of each other;
 * any of them may be dropped without the others noticing, and the writer of an archive turns the second one into
 * a link.
 */
export interface Inode {
  readonly names: "several";
}

/** Makes a new identity for a set of hard links. */
export function newInode(): Inode {
  return { names: "several" };
}

export interface FileEntry extends Attributes {
  readonly type: "file";
  readonly content: Content;
  readonly inode?: Inode;
}

export interface DirectoryEntry extends Attributes {
  readonly type: "directory";
}

export interface SymlinkEntry extends Attributes {
  readonly type: "symlink";
  /** As stored: absolute or relative, not resolved. */
  readonly target: string;
}

export interface DeviceEntry extends Attributes {
  readonly type: "character" | "block";
  readonly major: number;
  readonly minor: number;
}

export interface FifoEntry extends Attributes {
  readonly type: "fifo";
}

export type Entry = FileEntry | DirectoryEntry | SymlinkEntry | DeviceEntry | FifoEntry;

/** A directory as it is made where none was described: root's, 0755, at the epoch. */
export const impliedDirectory: DirectoryEntry = { type: "directory", mode: 0o755, uid: 0, gid: 0, mtime: 0 };

/**
 * A directory that exists because something is in it and that no layer names: whoever unpacks makes it. Only for
 * places where no program of the image has to look, since old unpackers make such directories for root alone.
 */
export const unnamedDirectory: DirectoryEntry = { ...impliedDirectory };
