import { readText } from "../io/index.ts";
import type { Tree } from "../tree/index.ts";
import type { Evidence } from "./need.ts";
import { perTree } from "./per-tree.ts";

const longest = 4 * 1024 * 1024;
const databases = { uid: "/etc/passwd", gid: "/etc/group" } as const;

/**
 * The user and group databases, where a kept entry belongs to somebody whom they name: programs that drop
 * privileges to that somebody look the name up (passwd(5), group(5)).
 */
export function ownersEvidence(): Evidence {
  const names = perTree(async (tree) => ({
    uid: await idsIn(tree, databases.uid),
    gid: await idsIn(tree, databases.gid),
  }));
  return {
    name: "owners",
    async *needs(path, { tree }) {
      const entry = tree.get(path);
      if (entry === undefined || (entry.uid === 0 && entry.gid === 0)) return;
      const known = await names(tree);
      for (const which of ["uid", "gid"] as const) {
        const name = entry[which] === 0 ? undefined : known[which].get(entry[which]);
        if (name === undefined) continue;
        const what = `name of its ${which === "uid" ? "owner" : "group"}, ${name}`;
        yield {
          path: databases[which],
          how: { kind: "package", package: "base-passwd", what },
          missing: "ignore",
        };
      }
    },
    reads: async (path) => path === databases.uid || path === databases.gid,
  };
}

/** Names by number; the first line of a number wins, as for getpwuid(3). */
async function idsIn(tree: Tree, path: string): Promise<Map<number, string>> {
  const ids = new Map<number, string>();
  const { entry } = tree.resolve(path);
  if (entry?.type !== "file" || entry.content.size > longest) return ids;
  for (const line of (await readText(entry.content, longest)).split("\n")) {
    const [name, , id] = line.split(":");
    if (name !== undefined && id !== undefined && /^\d+$/.test(id) && !ids.has(Number(id))) {
      ids.set(Number(id), name);
    }
  }
  return ids;
}
