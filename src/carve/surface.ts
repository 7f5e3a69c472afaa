import { contentDigest, type Digest, emptyContent, readContent } from "../io/index.ts";
import { type Entry, type Origin, type Tree, TreeBuilder, type TreePath } from "../tree/index.ts";
import type { Evidence, EvidenceContext } from "./need.ts";

/** What a carve sees of one application entry. */
export interface SurfaceEntry {
  readonly path: TreePath;
  readonly type: Entry["type"];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a symbolic link. */
  readonly target?: string;
  /** Of a file whose bytes say what it needs: a program, a script, a configuration file. */
  readonly digest?: Digest;
  readonly origin?: Origin;
}

/**
 * The application as a carve sees it. Data files are empty here, so a carve cannot depend on their bytes, and
 * the JSON form stays the same when such a file is edited: it is what the key of a carve is made of.
 */
export class Surface {
  readonly entries: readonly SurfaceEntry[];
  /** The application's entries, data files without their bytes. */
  readonly tree: Tree;

  constructor(entries: readonly SurfaceEntry[], tree: Tree) {
    this.entries = entries;
    this.tree = tree;
  }

  /** What `JSON.stringify` and digests of JSON see. */
  toJSON(): readonly SurfaceEntry[] {
    return this.entries;
  }
}

/** The surface of application files: paths, types, owners, and digests of those files that evidence reads. */
export async function surfaceOf(
  application: Tree,
  evidence: readonly Evidence[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<Surface> {
  const signal = options.signal ?? new AbortController().signal;
  const context: EvidenceContext = { tree: application, environment: {}, signal };
  const builder = new TreeBuilder();
  builder.set("/", application.top.entry);
  const entries: SurfaceEntry[] = [];
  for (const [path, entry] of application.entries()) {
    signal.throwIfAborted();
    const read = entry.type === "file" && (await isRead(path, entry.content, evidence, context));
    builder.set(path, entry.type === "file" && !read ? { ...entry, content: emptyContent, mtime: 0 } : entry);
    entries.push(surfaceEntry(path, entry, read ? await contentDigest(entry.content) : undefined));
  }
  return new Surface(entries, builder.tree());
}

function surfaceEntry(path: TreePath, entry: Entry, digest: Digest | undefined): SurfaceEntry {
  const { type, mode, uid, gid, origin } = entry;
  return {
    path,
    type,
    mode,
    uid,
    gid,
    ...(entry.type === "symlink" ? { target: entry.target } : {}),
    ...(digest === undefined ? {} : { digest }),
    ...(origin === undefined ? {} : { origin }),
  };
}

async function isRead(
  path: TreePath,
  content: Extract<Entry, { type: "file" }>["content"],
  evidence: readonly Evidence[],
  context: EvidenceContext,
): Promise<boolean> {
  const head = await readContent(content, { start: 0, end: 4 });
  if (head.toString("latin1").startsWith("#!") || head.toString("latin1") === "\x7fELF") return true;
  for (const collector of evidence) {
    if (await collector.reads?.(path, context)) return true;
  }
  return false;
}
