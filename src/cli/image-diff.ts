import type { ContainerConfig } from "../image/index.ts";
import { type Content, canonicalJson, contentDigest } from "../io/index.ts";
import type { Entry, Tree, TreePath } from "../tree/index.ts";

/** One path that two trees do not have alike. */
export interface FileDifference {
  readonly path: TreePath;
  readonly change: "added" | "removed" | "changed";
  /** Of a changed path: which of its attributes differ. */
  readonly what: readonly (
    | "type"
    | "mode"
    | "owner"
    | "mtime"
    | "content"
    | "target"
    | "xattrs"
    | "device"
  )[];
  /** Bytes before and after; 0 for anything but files. */
  readonly before: number;
  readonly after: number;
}

/** A member of the configuration that differs; an absent one is `null`. */
export interface ConfigDifference {
  readonly key: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** Compares two trees path by path. Contents are read only where their sizes agree and their places do not. */
export async function fileDifferences(
  lower: Tree,
  upper: Tree,
  signal: AbortSignal,
): Promise<FileDifference[]> {
  const differences: FileDifference[] = [];
  for (const [path, after] of upper.entries()) {
    signal.throwIfAborted();
    const before = lower.get(path);
    const what = before === undefined ? [] : await whatDiffers(before, after);
    if (before !== undefined && what.length === 0) continue;
    const change = before === undefined ? "added" : "changed";
    differences.push({
      path,
      change,
      what,
      before: before === undefined ? 0 : sizeOf(before),
      after: sizeOf(after),
    });
  }
  for (const [path, before] of lower.entries()) {
    if (!upper.has(path))
      differences.push({ path, change: "removed", what: [], before: sizeOf(before), after: 0 });
  }
  return differences.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Compares two configurations member by member, environment variables and labels each on their own. */
export function configDifferences(before: ContainerConfig, after: ContainerConfig): ConfigDifference[] {
  const [left, right] = [flatConfig(before), flatConfig(after)];
  return [...new Set([...left.keys(), ...right.keys()])]
    .sort()
    .filter((key) => canonicalJson(left.get(key) ?? null) !== canonicalJson(right.get(key) ?? null))
    .map((key) => ({ key, before: left.get(key) ?? null, after: right.get(key) ?? null }));
}

function flatConfig(config: ContainerConfig): Map<string, unknown> {
  const flat = new Map<string, unknown>();
  for (const [key, value] of Object.entries(config)) {
    if (key === "Env") {
      for (const line of config.Env ?? []) {
        const at = line.indexOf("=");
        flat.set(`Env.${line.slice(0, at)}`, line.slice(at + 1));
      }
    } else if (key === "Labels") {
      for (const [name, label] of Object.entries(config.Labels ?? {})) flat.set(`Labels.${name}`, label);
    } else flat.set(key, value);
  }
  return flat;
}

function sizeOf(entry: Entry): number {
  return entry.type === "file" ? entry.content.size : 0;
}

async function whatDiffers(a: Entry, b: Entry): Promise<FileDifference["what"]> {
  if (a.type !== b.type) return ["type"];
  const what: FileDifference["what"][number][] = [];
  if (a.mode !== b.mode) what.push("mode");
  if (a.uid !== b.uid || a.gid !== b.gid) what.push("owner");
  if (a.mtime !== b.mtime) what.push("mtime");
  if (xattrText(a) !== xattrText(b)) what.push("xattrs");
  if (a.type === "symlink" && b.type === "symlink" && a.target !== b.target) what.push("target");
  if (a.type === "file" && b.type === "file" && !(await sameBytes(a.content, b.content)))
    what.push("content");
  if ("major" in a && "major" in b && (a.major !== b.major || a.minor !== b.minor)) what.push("device");
  return what;
}

async function sameBytes(a: Content, b: Content): Promise<boolean> {
  if (a.size !== b.size) return false;
  // Two images that share a layer share its file.
  if (a.file !== undefined && a.file.path === b.file?.path && a.file.offset === b.file.offset) return true;
  return (await contentDigest(a)) === (await contentDigest(b));
}

function xattrText(entry: Entry): string {
  const pairs = [...(entry.xattrs ?? [])].map(
    ([name, value]) => `${name}=${Buffer.from(value).toString("hex")}`,
  );
  return pairs.sort().join("\n");
}
