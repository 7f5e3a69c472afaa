import { bytesContent, readText, sha256 } from "../io/index.ts";
import { type Entry, nameOf, type Tree, TreeBuilder, type TreePath } from "../tree/index.ts";
import type { DebianPackage } from "./open-package.ts";

/** When the newest file of any of these packages was made: what a system made of them may take for its own time. */
export function newestTime(packages: readonly DebianPackage[]): number {
  let newest = 0;
  for (const one of packages) {
    for (const [, { mtime }] of one.tree.entries()) newest = Math.max(newest, Math.floor(mtime));
  }
  return newest;
}

/** What configuring leaves that says when and where it was done, or that is made again when it is needed. */
const traces: readonly RegExp[] = [
  /^\/\.whittle-configure$/,
  /^\/(?:run|tmp|var\/tmp|var\/cache\/ldconfig|var\/lib\/dpkg\/updates)\/./,
  /^\/var\/lib\/dpkg\/(?:lock|lock-frontend|triggers\/Lock|[^/]+-old)$/,
  /^\/var\/cache\/debconf\/[^/]+-old$/,
  /^\/var\/cache\/apt\/(?:[^/]+\.bin|archives\/lock)$/,
  /^\/var\/lib\/apt\/lists\/lock$/,
  /^\/var\/lib\/dbus\/machine-id$/,
  // Copies that programs make before they change an account.
  /^\/etc\/(?:passwd|group|shadow|gshadow|subuid|subgid)-$/,
  // What Python makes of its modules is larger than they are, and made again where that is wanted.
  /\/__pycache__(?:\/|$)/,
];

/** Directories in which the traces above lie and that stay. */
const kept: ReadonlySet<string> = new Set(["/run/lock"]);

/**
 * A configured system without traces of when and where it was configured: two that were made of the same packages are
 * the same.
 *
 * @param epoch - seconds since the epoch: files that are newer take this time
 */
export async function settled(tree: Tree, epoch: number): Promise<Tree> {
  const without = tree.filter((path, entry) => !isTrace(path, entry));
  const timed = without.map((_path, entry) => (entry.mtime > epoch ? { ...entry, mtime: epoch } : entry));
  const day = Math.floor(epoch / 86_400);
  const builder = new TreeBuilder(undefined, timed);
  await rewrite(builder, "/etc/shadow", (text) => text.replace(/^([^:]*:[^:]*:)\d+:/gm, `$1${day}:`));
  await rewrite(builder, "/etc/machine-id", () => "");
  return builder.tree();
}

function isTrace(path: TreePath, entry: Entry): boolean {
  if (kept.has(path)) return false;
  if (traces.some((trace) => trace.test(path))) return true;
  return path.startsWith("/var/log/") && entry.type === "file" && entry.content.size > 0;
}

async function rewrite(
  builder: TreeBuilder,
  path: TreePath,
  change: (text: string) => string,
): Promise<void> {
  const entry = builder.get(path);
  if (entry?.type !== "file" || nameOf(path) === "") return;
  const bytes = Buffer.from(change(await readText(entry.content)), "utf8");
  const { inode: _, ...rest } = entry;
  builder.set(path, { ...rest, content: bytesContent(bytes, sha256(bytes)) });
}
