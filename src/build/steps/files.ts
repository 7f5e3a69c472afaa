import { bytesContent, sha256, WhittleError } from "../../io/index.ts";
import {
  attributes,
  type Entry,
  nameOf,
  Tree,
  TreeBuilder,
  type TreePath,
  treePath,
} from "../../tree/index.ts";
import { type Context, readContext } from "../context.ts";
import type { Executor } from "../executor.ts";
import type { Step } from "../graph.ts";
import { parseMode } from "../mode.ts";
import { treeDigest } from "../tree-digest.ts";
import type { TreeValue } from "./tree-value.ts";

/** A file or directory that the person puts into an image. */
export type PlacedFile = {
  /** Path in the context; exactly one of `from`, `content`, `directory` and `link` is there. */
  readonly from?: string;
  readonly content?: string;
  /** An empty directory. */
  readonly directory?: true;
  /** A symbolic link to this. */
  readonly link?: string;
  /** Where it goes; ending in `/` it is the directory that takes a single file under its own name. */
  readonly to: string;
  /** As chmod takes it. */
  readonly mode?: string;
  readonly uid: number;
  readonly gid: number;
};

/** What the parameters of a files step hold. */
export type FilesParameters = {
  readonly files: readonly PlacedFile[];
  /** Seconds since the epoch that all entries get; working copies have no times worth keeping. */
  readonly mtime: number;
};

/** A step that reads files of the context into a tree. */
export function filesStep(parameters: FilesParameters, context: Context): Step {
  return { kind: "files", parameters, inputs: {}, local: context };
}

/** Reads the context again in every build; an unchanged one comes to the same digest. */
export const filesExecutor: Executor = {
  kind: "files",
  version: 1,
  cached: false,
  async run(step, _inputs, { signal }) {
    const { files, mtime } = step.parameters as FilesParameters;
    const context = step.local as Context;
    let tree = Tree.empty;
    for (const file of files) tree = tree.overlay(await placed(file, mtime, context, signal));
    const value: TreeValue = { tree };
    return { digest: await treeDigest(tree), record: null, value };
  },
};

async function placed(file: PlacedFile, mtime: number, context: Context, signal: AbortSignal): Promise<Tree> {
  const to = treePath(file.to);
  const change = file.mode === undefined ? undefined : parseMode(file.mode);
  const finish = (entry: Entry): Entry => {
    const usual = usualMode(entry);
    const mode =
      entry.type === "symlink" || change === undefined ? usual : change(usual, entry.type === "directory");
    return { ...entry, mode, uid: file.uid, gid: file.gid, mtime };
  };
  if (file.directory === true) {
    const origin = { kind: "context" as const, path: "whittle.yaml" };
    return single(to, finish({ type: "directory", ...attributes(0o755, { origin }) }));
  }
  if (file.link !== undefined) {
    const origin = { kind: "context" as const, path: "whittle.yaml" };
    return single(to, finish({ type: "symlink", target: file.link, ...attributes(0o777, { origin }) }));
  }
  if (file.from === undefined) {
    const bytes = Buffer.from(file.content ?? "", "utf8");
    const origin = { kind: "context" as const, path: "whittle.yaml" };
    const content = bytesContent(bytes, sha256(bytes));
    return single(to, finish({ type: "file", content, ...attributes(0o644, { origin }) }));
  }
  const { tree, isFile } = await readContext(context, file.from, signal);
  const [only] = tree.entries();
  if (!isFile || only === undefined)
    return Tree.empty.place(
      tree.map((_path, entry) => finish(entry)),
      to,
    );
  if (to === "/") {
    throw new WhittleError("RECIPE_INVALID", `Cannot put the file ${file.from} to /: that is a directory`);
  }
  return single(file.to.endsWith("/") ? `${to}/${nameOf(only[0])}` : to, finish(only[1]));
}

function single(path: TreePath, entry: Entry): Tree {
  return new TreeBuilder().set(path, entry).tree();
}

/**
 * The mode without what a umask or a checkout did to it: 0644 or 0755, as git keeps it, so that two people
 * build the same image.
 */
function usualMode(entry: Entry): number {
  if (entry.type === "symlink") return 0o777;
  return entry.type === "directory" || (entry.mode & 0o100) !== 0 ? 0o755 : 0o644;
}
