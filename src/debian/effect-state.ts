import type { TreePath } from "../tree/index.ts";
import type { Effect } from "./effect.ts";
import type { DebianPackage } from "./open-package.ts";

const stateAreas = /^\/(?:var\/(?:lib|log|cache|spool|tmp|www)|run|srv)\/./;
const programAreas = /^\/(?:usr\/)?(?:bin|sbin|games|libexec)\/[^/]+$/;

/**
 * Programs need the empty directories that packages of the same source bring for their state: logs, temporary
 * files, sockets.
 */
export const stateDirectories: Effect = {
  name: "state directories",
  apply(root) {
    const bySource = new Map<string, DebianPackage[]>();
    for (const one of root.packages) {
      const source = one.record.source?.split(" ")[0] ?? one.name;
      bySource.set(source, [...(bySource.get(source) ?? []), one]);
    }
    for (const family of bySource.values()) {
      const owned = family.map((owner) => ({ owner, directories: stateDirectoriesOf(owner) }));
      if (owned.every(({ directories }) => directories.length === 0)) continue;
      const programs = family.flatMap((one) => programsOf(one).map((path) => root.place(path)));
      for (const { owner, directories } of owned) {
        for (const path of directories) {
          for (const from of programs) {
            root.needs.push({ from, path, package: owner.name, what: "directory for its state" });
          }
        }
      }
    }
  },
};

function programsOf(owner: DebianPackage): TreePath[] {
  return [...owner.tree.entries()].flatMap(([path, entry]) =>
    entry.type === "file" && (entry.mode & 0o111) !== 0 && programAreas.test(path) ? [path] : [],
  );
}

function stateDirectoriesOf(owner: DebianPackage): TreePath[] {
  return [...owner.tree.entries()].flatMap(([path, entry]) =>
    entry.type === "directory" && stateAreas.test(path) && owner.tree.children(path).length === 0
      ? [path]
      : [],
  );
}
