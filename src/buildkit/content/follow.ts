import { posix } from "node:path";
import { WhittleError } from "../../io/index.ts";
import type { Tree, TreeNode } from "../../tree/index.ts";

/** A path without links in it, and what is there. The top is "". */
export interface Followed {
  readonly path: string;
  readonly node: TreeNode;
}

// BuildKit's own limit, which is not the kernel's.
const mostLinks = 255;

/** A path as BuildKit's records of contents have it: absolute and clean, the top as "". */
export function recordPath(path: string): string {
  return posix.join("/", path).replace(/\/$/, "");
}

/**
 * Follows a path as BuildKit does when it looks for contents (moby/buildkit, cache/contenthash/checksum.go): links in
 * the middle always, one at the end where `last` says so; what is not there is taken for a directory, so that `..`
 * leads out of it.
 *
 * @returns undefined when nothing is there
 * @throws WhittleError `STEP_FAILED` when links lead in a circle
 */
export function followPath(tree: Tree, path: string, last: "follow" | "keep"): Followed | undefined {
  const pending = recordPath(path).split("/").reverse();
  let at = "";
  let node: TreeNode | undefined = tree.top;
  for (let links = 0; pending.length > 0; ) {
    const part = pending.pop() ?? "";
    const next = recordPath(`${at}/${part}`);
    node = tree.node(next === "" ? "/" : next);
    const isLast = pending.length === 0;
    if (node?.entry.type !== "symlink" || (isLast && last === "keep")) {
      at = next;
      continue;
    }
    links += 1;
    if (links > mostLinks) {
      throw new WhittleError("STEP_FAILED", `Cannot follow ${path}: its links lead in a circle`);
    }
    const { target } = node.entry;
    pending.push(...target.split("/").reverse());
    if (target.startsWith("/")) at = "";
  }
  return node === undefined ? undefined : { path: at, node };
}
