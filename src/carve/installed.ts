import { readText } from "../io/index.ts";
import { nameOf, type Origin, type Tree, type TreePath } from "../tree/index.ts";

const longest = 64 * 1024 * 1024;

/**
 * Which package each path is from, as dpkg's database in an image tells: its `info/*.list` files, or in an image
 * without dpkg the `status.d` entries with their checksum lists.
 */
export async function installedOrigins(tree: Tree): Promise<Map<TreePath, Origin>> {
  const origins = new Map<TreePath, Origin>();
  const packages = parseStatus(await textAt(tree, "/var/lib/dpkg/status"));
  for (const name of tree.children("/var/lib/dpkg/info").filter((name) => name.endsWith(".list"))) {
    const origin = packages.get(name.replace(/(?::[^:]*)?\.list$/, ""));
    if (origin === undefined) continue;
    const list = await textAt(tree, `/var/lib/dpkg/info/${name}`);
    for (const path of list.split("\n")) claim(tree, origins, path, origin);
  }
  for (const name of tree.children("/var/lib/dpkg/status.d")) {
    const path = `/var/lib/dpkg/status.d/${name}`;
    const [entry] = parseStatus(await textAt(tree, path)).values();
    if (entry === undefined || name.endsWith(".md5sums")) continue;
    claim(tree, origins, path, entry);
    claim(tree, origins, `${path}.md5sums`, entry);
    for (const line of (await textAt(tree, `${path}.md5sums`)).split("\n")) {
      claim(tree, origins, `/${line.replace(/^[0-9a-f]{32} [ *]/, "")}`, entry);
    }
  }
  return origins;
}

/** Packages of one or several stanzas, by name. */
function parseStatus(text: string): Map<string, Origin> {
  const packages = new Map<string, Origin>();
  for (const stanza of text.split(/\n\s*\n/)) {
    const field = (name: string): string | undefined =>
      new RegExp(`^${name}: *(.*)$`, "m").exec(stanza)?.[1]?.trim();
    const name = field("Package");
    if (name === undefined || name === "") continue;
    const source = field("Source");
    packages.set(name, {
      kind: "package",
      name,
      version: field("Version") ?? "",
      architecture: field("Architecture") ?? "",
      ...(source === undefined ? {} : { source }),
    });
  }
  return packages;
}

/** dpkg's lists name paths as they were before `/usr` was merged, so links above the last part are followed. */
function claim(tree: Tree, origins: Map<TreePath, Origin>, path: string, origin: Origin): void {
  if (!/^\/[^/]/.test(path) || nameOf(path) === "..") return;
  const found = tree.resolve(path, { last: "keep" });
  // A directory belongs to many packages; the first one stands for all.
  if (found.entry !== undefined && !origins.has(found.path)) origins.set(found.path, origin);
}

async function textAt(tree: Tree, path: TreePath): Promise<string> {
  const { entry } = tree.resolve(path);
  return entry?.type === "file" && entry.content.size <= longest ? readText(entry.content, longest) : "";
}
