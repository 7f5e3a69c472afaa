import { readText } from "../io/index.ts";
import { compareNames, parentOf, type Tree, type TreePath } from "../tree/index.ts";
import { matchesPattern } from "./glob.ts";
import { withoutSlash } from "./tokens.ts";

const mostBytes = 1024 * 1024;

/**
 * The directories that `/etc/ld.so.conf` of a tree names, in the order in which ldconfig(8) takes them:
 * `include` with glob patterns followed, each directory once.
 */
export async function configuredDirectories(tree: Tree): Promise<string[]> {
  const result = new Set<string>();
  await readConfiguration(tree, "/etc/ld.so.conf", result, new Set());
  return [...result];
}

async function readConfiguration(
  tree: Tree,
  path: TreePath,
  result: Set<string>,
  read: Set<TreePath>,
): Promise<void> {
  const { path: realPath, entry } = tree.resolve(path);
  // A file that includes itself, by whatever way, is read once.
  if (entry?.type !== "file" || entry.content.size > mostBytes || read.has(realPath)) return;
  read.add(realPath);
  const text = await readText(entry.content, mostBytes);
  for (const whole of text.split("\n")) {
    const line = whole.replace(/#.*/, "").trim();
    const include = /^include\s+(.*)$/.exec(line)?.[1];
    if (include !== undefined) {
      for (const pattern of include.split(/\s+/)) {
        const absolute = pattern.startsWith("/") ? pattern : `${parentOf(path)}/${pattern}`;
        for (const file of glob(tree, absolute)) await readConfiguration(tree, file, result, read);
      }
    } else if (line.startsWith("/")) {
      // An old form gives a library type behind "=".
      for (const part of line.split(/[\s:,]+/)) {
        const directory = withoutSlash(part.replace(/=.*/, ""));
        if (directory.startsWith("/")) result.add(directory);
      }
    }
  }
}

/** The paths that a pattern with `*`, `?` and `[…]` stands for (glob(7)); a hidden name has to be meant. */
export function glob(tree: Tree, pattern: string): TreePath[] {
  let found: TreePath[] = ["/"];
  for (const part of pattern.split("/").filter((name) => name !== "" && name !== ".")) {
    const matches = /[*?[]/.test(part);
    found = found.flatMap((directory) => {
      const { path, entry } = tree.resolve(directory);
      if (entry?.type !== "directory" && directory !== "/") return [];
      const names = matches ? tree.children(path).filter((name) => matchesPattern(part, name)) : [part];
      const within = path === "/" ? "" : path;
      return names.map((name) => `${within}/${name}`);
    });
  }
  return found.filter((path) => tree.resolve(path).entry !== undefined).sort(compareNames);
}
