import { bytesContent, WhittleError } from "../io/index.ts";
import { type Entry, impliedDirectory, Tree, type TreePath, treeOf } from "../tree/index.ts";
import type { ElfFile } from "./file.ts";
import { type CacheLine, formatLdCache } from "./ld-so-cache.ts";
import { configuredDirectories } from "./ld-so-conf.ts";
import { cacheFlags, machineOf, machines } from "./machine.ts";
import { readElf } from "./read.ts";

const cachePath = "/etc/ld.so.cache";

/** Where loaders look without a cache. */
const builtIn: ReadonlySet<string> = new Set([
  ...["/lib", "/usr/lib", "/lib64", "/usr/lib64"],
  ...machines.flatMap(({ triplet }) => [`/lib/${triplet}`, `/usr/lib/${triplet}`]),
]);

/**
 * A tree with the `/etc/ld.so.cache` that ldconfig(8) would make in it, where a loader needs one: when
 * `/etc/ld.so.conf` names a directory that is not built into loaders and there are libraries in it. Any other
 * tree, and one that has a cache, comes back as it is.
 *
 * @param over - what will lie over the tree; its libraries and configuration count
 */
export async function withLoaderCache(tree: Tree, over: Tree = Tree.empty): Promise<Tree> {
  const whole = tree.overlay(over);
  if (whole.has(cachePath)) return tree;
  const directories = await configuredDirectories(whole);
  const extra = directories.filter((directory) => !builtIn.has(directory));
  if (!extra.some((directory) => libraryNames(whole, directory).length > 0)) return tree;
  const lines: CacheLine[] = [];
  let order: ElfFile["order"] = "little";
  const seen = new Set<TreePath>();
  for (const directory of [...directories, "/lib", "/usr/lib"]) {
    const { path: realPath } = whole.resolve(directory);
    // One directory under two names is searched once, under the first (usrmerge).
    if (seen.has(realPath)) continue;
    seen.add(realPath);
    for (const name of libraryNames(whole, directory)) {
      const elf = await libraryAt(whole, `${directory}/${name}`);
      const machine = elf === undefined ? undefined : machineOf(elf);
      if (elf === undefined || machine === undefined) continue;
      order = elf.order;
      const [path, flags] = [`${directory}/${name}`, cacheFlags(machine)];
      lines.push({ name, path, flags });
      // ldconfig would make a link of this name; the cache can lead to the file without one.
      const { soname } = elf;
      if (soname !== undefined && !whole.has(`${realPath}/${soname}`))
        lines.push({ name: soname, path, flags });
    }
  }
  const entry: Entry = {
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 0,
    content: bytesContent(formatLdCache(lines, order)),
    origin: { kind: "generated", what: "ld.so.cache" },
  };
  const above = tree.get("/etc") ?? impliedDirectory;
  return tree.place(
    treeOf([
      ["/", above],
      ["/ld.so.cache", entry],
    ]),
    "/etc",
  );
}

function libraryNames(tree: Tree, directory: string): string[] {
  return tree
    .children(tree.resolve(directory).path)
    .filter((name) => /^(?:lib|ld-).*\.so(?:\.|$)/.test(name));
}

async function libraryAt(tree: Tree, path: string): Promise<ElfFile | undefined> {
  const { entry } = tree.resolve(path);
  if (entry?.type !== "file") return undefined;
  try {
    const elf = await readElf(entry.content, path);
    return elf?.hasDynamic ? elf : undefined;
  } catch (error) {
    if (error instanceof WhittleError && error.code === "ELF_INVALID") return undefined;
    throw error;
  }
}
