import fc from "fast-check";
import { bytesContent, readContent } from "../src/io/index.ts";
import {
  type Attributes,
  type Entry,
  type Inode,
  newInode,
  type Tree,
  type TreePath,
  treeOf,
} from "../src/tree/index.ts";

/** Names that archives and file systems have trouble with, and plain ones that collide often. */
export const names: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("a", "b", "c", "bin", "etc", "lib") },
  {
    weight: 1,
    arbitrary: fc.constantFrom("ä", "日本", "🦊", "\udcff", "a\udc80b", " ", "-", "a b", "x".repeat(120)),
  },
  { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 12 }).filter(isName) },
);

function isName(text: string): boolean {
  return (
    !/[/\0]/.test(text) && text !== "." && text !== ".." && !text.startsWith(".wh.") && text.isWellFormed()
  );
}

export const paths: fc.Arbitrary<TreePath> = fc
  .array(names, { minLength: 1, maxLength: 4 })
  .map((parts) => `/${parts.join("/")}`);

const times = fc.oneof(
  fc.integer({ min: 0, max: 2_000_000_000 }),
  fc.constantFrom(-1, 0.5, 1_700_000_000.25, -2.5, 8_589_934_592),
);

const xattrs = fc
  .uniqueArray(
    fc.tuple(fc.constantFrom("user.a", "user.b=c", "security.capability", "user.ü"), fc.uint8Array()),
    {
      selector: ([name]) => name,
      maxLength: 2,
    },
  )
  // "=" cannot stand in the keyword of a PAX record.
  .map((list) => list.filter(([name]) => !name.includes("=")));

const attributes: fc.Arbitrary<Attributes> = fc
  .record({
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.constantFrom(0, 1000, 65534, 2_097_152, 4_294_967_294),
    gid: fc.constantFrom(0, 33, 2_097_151, 4_294_967_294),
    mtime: times,
    xattrs,
  })
  .map(({ xattrs: list, ...rest }) => (list.length === 0 ? rest : { ...rest, xattrs: new Map(list) }));

const entries: fc.Arbitrary<Entry> = fc
  .tuple(attributes, fc.nat(9))
  .chain(([common, kind]): fc.Arbitrary<Entry> => {
    if (kind < 5) {
      return fc
        .uint8Array({ maxLength: 1500 })
        .map((data) => ({ ...common, type: "file", content: bytesContent(data) }));
    }
    if (kind < 7) return fc.constant({ ...common, type: "directory" });
    if (kind === 7) {
      return fc
        .oneof(paths, names, fc.constantFrom("../..", "/", "x".repeat(300)))
        .map((target) => ({ ...common, mode: 0o777, type: "symlink", target }));
    }
    if (kind === 8) return fc.constant({ ...common, type: "fifo" });
    return fc
      .tuple(fc.constantFrom("character" as const, "block" as const), fc.nat(4095), fc.nat(1_048_575))
      .map(([type, major, minor]) => ({ ...common, type, major, minor }));
  });

/** Trees with all kinds of entries, hard links among them. */
export const trees: fc.Arbitrary<Tree> = fc
  .tuple(
    fc.array(fc.tuple(paths, entries), { maxLength: 14 }),
    fc.array(fc.tuple(paths, fc.nat()), { maxLength: 3 }),
  )
  .map(([list, links]) => {
    const files = list.filter(([, entry]) => entry.type === "file");
    const shared = new Map<Entry, Entry & { inode?: Inode }>();
    const linked: [TreePath, Entry][] = [];
    for (const [path, pick] of links) {
      const file = files[pick % Math.max(1, files.length)]?.[1];
      if (file?.type !== "file") continue;
      const same = shared.get(file) ?? { ...file, inode: newInode() };
      shared.set(file, same);
      linked.push([path, same]);
    }
    return treeOf([...list.map(([path, entry]) => [path, shared.get(entry) ?? entry] as const), ...linked]);
  });

/** A tree as plain lines that compare well: everything about each entry, hard links by their first path. */
export async function describeTree(tree: Tree): Promise<Record<string, string>> {
  const first = new Map<Inode, TreePath>();
  const counts = new Map<Inode, number>();
  for (const [, entry] of tree.entries()) {
    if (entry.type === "file" && entry.inode !== undefined) {
      counts.set(entry.inode, (counts.get(entry.inode) ?? 0) + 1);
    }
  }
  const lines: Record<string, string> = {};
  for (const [path, entry] of tree.entries()) {
    const parts: string[] = [
      entry.type,
      entry.mode.toString(8),
      `${entry.uid}:${entry.gid}`,
      `@${entry.mtime}`,
    ];
    for (const [name, value] of [...(entry.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
      parts.push(`${name}=${Buffer.from(value).toString("hex")}`);
    }
    if (entry.type === "symlink") parts.push(`-> ${entry.target}`);
    if (entry.type === "character" || entry.type === "block") parts.push(`${entry.major},${entry.minor}`);
    if (entry.type === "file") {
      parts.push((await readContent(entry.content)).toString("hex"));
      const { inode } = entry;
      if (inode !== undefined && (counts.get(inode) ?? 0) > 1) {
        if (!first.has(inode)) first.set(inode, path);
        parts.push(`= ${first.get(inode)}`);
      }
    }
    lines[path] = parts.join(" ");
  }
  return lines;
}
