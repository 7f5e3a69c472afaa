import { readContent, readText } from "../io/index.ts";
import { nameOf, type Tree, type TreePath } from "../tree/index.ts";
import type { ElfFile } from "./file.ts";
import { parseLdCache } from "./ld-so-cache.ts";
import { configuredDirectories } from "./ld-so-conf.ts";
import { type Machine, machineOf } from "./machine.ts";
import { readElf } from "./read.ts";
import { withoutSlash } from "./tokens.ts";

/** Where names are looked up that the loader finds neither by a search path nor in its own directories. */
export type CacheMode =
  /** `/etc/ld.so.cache` where the tree has one, else as `configuration`. */
  | "auto"
  /** `/etc/ld.so.cache` only, as the loader does. */
  | "file"
  /** What ldconfig would put into the cache: the directories of `/etc/ld.so.conf`. */
  | "configuration"
  /** Nothing, as with `--inhibit-cache`. */
  | "none";

/** By which rules one dynamic loader of a tree searches. */
export interface Rules {
  readonly dialect: "glibc" | "musl";
  /** Path of the loader itself. */
  readonly loader: TreePath;
  /** Directories that are built into it, or that musl's path file names. */
  readonly directories: readonly string[];
  /** What `$LIB` stands for. */
  readonly library: string;
  /** What `$PLATFORM` stands for. */
  readonly platform: string;
  /** Paths that the cache knows for a name, the best first. */
  cached(name: string): readonly string[];
  /** What to call the cache when it has answered. */
  readonly cacheName: string;
}

const mostCache = 16 * 1024 * 1024;
const mostLoaderData = 4 * 1024 * 1024;
const mostPathFile = 64 * 1024;

/** The rules by which the objects that `elf` needs are found in a tree. */
export async function rulesFor(tree: Tree, elf: ElfFile, mode: CacheMode): Promise<Rules> {
  const machine = machineOf(elf);
  const loader = elf.interpreter ?? defaultLoader(tree, elf, machine);
  const platform = machine?.platform ?? "";
  if (nameOf(loader).startsWith("ld-musl")) {
    return {
      dialect: "musl",
      loader,
      directories: await muslDirectories(tree, loader),
      library: "lib",
      platform,
      cached: () => [],
      cacheName: "",
    };
  }
  const directories = await systemDirectories(tree, loader, machine);
  return {
    dialect: "glibc",
    loader,
    directories,
    library: directories[0]?.slice(1) ?? "lib",
    platform,
    ...(await cacheRules(tree, elf, mode)),
  };
}

/** The loader that would load a library that names none: musl's when it is written for it, else glibc's. */
function defaultLoader(tree: Tree, elf: ElfFile, machine: Machine | undefined): TreePath {
  const musl = tree.children(tree.resolve("/lib").path).find((name) => /^ld-musl-.*\.so\.1$/.test(name));
  const glibc = machine?.loader ?? "/lib/ld.so.1";
  const wantsMusl = elf.needed.some((name) => name === "libc.so" || name.startsWith("libc.musl-"));
  const preferred = wantsMusl || tree.resolve(glibc).entry === undefined;
  return musl !== undefined && preferred ? `/lib/${musl}` : glibc;
}

const longestPath = 4096;

/**
 * The directories built into a loader, which stand one behind the other in its data: `system_dirs` of glibc's
 * elf/dl-load.c.
 */
function builtInDirectories(data: Buffer): string[] {
  const result: string[] = [];
  for (const text of data.toString("latin1").split("\0")) {
    const fits = text.length < longestPath && /^\/[\w.+/-]*\/$/.test(text) && /\/lib[\w.+-]*\//.test(text);
    if (fits) result.push(withoutSlash(text));
    else if (result.length > 0) break;
  }
  return result;
}

/** The directories built into a loader, from the loader itself; without it, those of Debian's multiarch. */
async function systemDirectories(
  tree: Tree,
  loader: TreePath,
  machine: Machine | undefined,
): Promise<readonly string[]> {
  const { entry } = tree.resolve(loader);
  try {
    const elf = entry?.type === "file" ? await readElf(entry.content, loader) : undefined;
    const found = await elf?.derive("built-in directories", async () => {
      const pieces = await elf.readOnlyData(mostLoaderData);
      return pieces.map(builtInDirectories).find(({ length }) => length > 0) ?? [];
    });
    if (found !== undefined && found.length > 0) return found;
  } catch {
    // A loader that cannot be read cannot say anything about itself.
  }
  const triplet = machine?.triplet;
  const multiarch = triplet === undefined ? [] : [`/lib/${triplet}`, `/usr/lib/${triplet}`];
  return [...multiarch, "/lib", "/usr/lib"];
}

/** musl: `/etc/ld-musl-ARCH.path` beside the loader's directory, else its three (ldso/dynlink.c). */
async function muslDirectories(tree: Tree, loader: TreePath): Promise<string[]> {
  const architecture = /^ld-musl-(.*)\.so\.1$/.exec(nameOf(loader))?.[1] ?? "";
  const { entry } = tree.resolve(`/etc/ld-musl-${architecture}.path`);
  if (entry?.type !== "file") return ["/lib", "/usr/local/lib", "/usr/lib"];
  const text = await readText(entry.content, mostPathFile);
  return text
    .split(/[:\n]/)
    .filter((part) => part.startsWith("/"))
    .map(withoutSlash);
}

async function cacheRules(
  tree: Tree,
  elf: ElfFile,
  mode: CacheMode,
): Promise<Pick<Rules, "cached" | "cacheName">> {
  const cacheName = "/etc/ld.so.cache";
  if (mode === "none") return { cached: () => [], cacheName };
  const { entry } = tree.resolve(cacheName);
  if (entry?.type === "file" && mode !== "configuration" && entry.content.size <= mostCache) {
    const byName = new Map<string, { readonly path: string; readonly hwcap: bigint }[]>();
    for (const one of parseLdCache(await readContent(entry.content), elf.order)) {
      byName.set(one.name, [...(byName.get(one.name) ?? []), one]);
    }
    // Variants for newer processors are found beside the plain file, which every processor can use.
    const plainFirst = (a: { hwcap: bigint }, b: { hwcap: bigint }) =>
      Number(a.hwcap !== 0n) - Number(b.hwcap !== 0n);
    return {
      cached: (name) => (byName.get(name) ?? []).toSorted(plainFirst).map(({ path }) => path),
      cacheName,
    };
  }
  if (mode === "file") return { cached: () => [], cacheName };
  const directories = await configuredDirectories(tree);
  return {
    cached: (name) => (/^(?:lib|ld-)/.test(name) ? directories.map((one) => `${one}/${name}`) : []),
    cacheName: "/etc/ld.so.conf",
  };
}
