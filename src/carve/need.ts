import type { Tree, TreePath } from "../tree/index.ts";

/** A place in a file that a need was read from. */
export interface NeedPlace {
  readonly file: TreePath;
  readonly line?: number;
}

/**
 * How one thing needs a path: a closed union, so that whoever prints or draws reasons knows them all. Each kind
 * carries the evidence that a person can check.
 */
export type How =
  /** The person named it: in `roots`, in `keep`, as the entrypoint, as a file of the recipe. */
  | {
      readonly kind: "named";
      readonly by: "root" | "keep" | "config" | "file" | "user";
      readonly what?: string;
    }
  /** A directory on the way to a kept path. */
  | { readonly kind: "parent" }
  /** A symbolic link that leads to the needed path. */
  | { readonly kind: "link" }
  /** The same file under the name by which something else knows it. */
  | { readonly kind: "hardlink" }
  /** `PT_INTERP` of an ELF program. */
  | { readonly kind: "elf-interpreter" }
  /** `DT_NEEDED`; `searched` are the directories tried up to the one where it was found. */
  | {
      readonly kind: "elf-needed";
      readonly soname: string;
      readonly searched: readonly TreePath[];
      readonly via: string;
    }
  /** The `.note.dlopen` section (systemd's ELF_DLOPEN specification). */
  | {
      readonly kind: "elf-dlopen-note";
      readonly soname: string;
      readonly feature?: string;
      readonly priority?: string;
    }
  /** A library name in read-only data that exists in the tree, beside a reference to `dlopen`. */
  | { readonly kind: "elf-dlopen-string"; readonly soname: string }
  /** Opened by glibc itself: NSS modules, gconv modules, `libgcc_s` for thread cancellation. */
  | { readonly kind: "libc"; readonly what: "nss" | "gconv" | "libgcc" | "locale" | "ld.so" }
  /** The `#!` line of a script. */
  | { readonly kind: "script-interpreter"; readonly line: string }
  /** A configuration file names it. */
  | { readonly kind: "configuration"; readonly directive: string; readonly at: NeedPlace }
  /** What a maintainer script of a package would have made, or licences and package metadata. */
  | { readonly kind: "package"; readonly package: string; readonly what: string }
  /** Opened while running (tracing). */
  | { readonly kind: "opened"; readonly run: string }
  /** An import of a programming language. */
  | { readonly kind: "import"; readonly module: string; readonly at: NeedPlace };

/** One path needs another. */
export interface Need {
  readonly path: TreePath;
  readonly how: How;
  /** When nothing is there: `"ignore"` (it was only possible) or `"report"` (the program will miss it). */
  readonly missing: "ignore" | "report";
}

/** A need with both ends; `from` is `undefined` where the chain starts: the person's own word. */
export interface Reason {
  readonly from: TreePath | undefined;
  readonly to: TreePath;
  readonly how: How;
}

/** What collectors may ask about the image beside its tree. */
export interface EvidenceContext {
  readonly tree: Tree;
  /** Environment of the image's configuration. */
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/**
 * A collector of one kind of evidence. `needs` is asked once for every path that is kept and answers with what
 * that path needs; it must be a pure function of the tree.
 */
export interface Evidence {
  readonly name: string;
  /**
   * Whether what `needs` says of a file depends on the file's bytes. Asked of application files, so that a
   * change of a data file does not set off a carve. Programs and scripts count as read without being asked.
   */
  reads?(path: TreePath, context: EvidenceContext): Promise<boolean>;
  needs(path: TreePath, context: EvidenceContext): AsyncIterable<Need>;
}
