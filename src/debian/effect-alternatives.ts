import { childOf, type TreePath, treePath } from "../tree/index.ts";
import type { Effect } from "./effect.ts";
import type { DebianPackage } from "./open-package.ts";
import { commandsNamed } from "./shell-words.ts";

interface Alternative {
  readonly owner: DebianPackage;
  readonly link: TreePath;
  readonly name: string;
  readonly path: string;
  readonly priority: number;
  readonly slaves: readonly Slave[];
}

interface Slave {
  readonly link: TreePath;
  readonly name: string;
  readonly path: string;
}

/**
 * The links of update-alternatives(1) in automatic mode: the candidate with the highest priority whose file is
 * there, with those of its slaves whose files are there.
 */
export const alternatives: Effect = {
  name: "alternatives",
  apply(root) {
    const isThere = (path: string): boolean => root.tree.resolve(path).entry !== undefined;
    const best = new Map<string, Alternative>();
    for (const candidate of root.packages.flatMap(alternativesOf)) {
      if (!isThere(candidate.path)) continue;
      const other = best.get(candidate.name);
      if (other === undefined || candidate.priority > other.priority) best.set(candidate.name, candidate);
    }
    for (const { owner, slaves, ...master } of best.values()) {
      for (const { link, name, path } of [master, ...slaves.filter(({ path: file }) => isThere(file))]) {
        root.link(childOf("/etc/alternatives", name), path, owner.origin);
        root.link(link, `/etc/alternatives/${name}`, owner.origin);
      }
    }
  },
};

/** What the `postinst` of a package installs; commands that it would have to compute are passed over. */
export function alternativesOf(owner: DebianPackage): Alternative[] {
  const script = owner.scripts.get("postinst") ?? "";
  return commandsNamed(script, "update-alternatives").flatMap((words) => alternativeOf(words, owner));
}

function alternativeOf(words: readonly string[], owner: DebianPackage): Alternative[] {
  const at = words.indexOf("--install");
  const [link = "", name = "", path = "", priority = ""] = words.slice(at + 1, at + 5);
  if (at === -1 || !/^-?\d+$/.test(priority) || !isUsable(link, name, path)) return [];
  const slaves: Slave[] = [];
  for (let next = at + 5; next < words.length; next++) {
    if (words[next] !== "--slave") continue;
    const [slaveLink = "", slaveName = "", slavePath = ""] = words.slice(next + 1, next + 4);
    if (isUsable(slaveLink, slaveName, slavePath)) {
      slaves.push({ link: treePath(slaveLink), name: slaveName, path: slavePath });
    }
  }
  return [{ owner, link: treePath(link), name, path, priority: Number(priority), slaves }];
}

function isUsable(link: string, name: string, path: string): boolean {
  const isAbsolute = (text: string): boolean => text.startsWith("/") && !text.split("/").includes("..");
  return isAbsolute(link) && isAbsolute(path) && /^[^/\s]+$/.test(name) && name !== "." && name !== "..";
}
