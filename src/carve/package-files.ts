import { readText } from "../io/index.ts";
import type { TreePath } from "../tree/index.ts";
import type { Evidence, How, Need } from "./need.ts";
import { perContent } from "./per-content.ts";

const statusDirectory = "/var/lib/dpkg/status.d";
const licences = "/usr/share/common-licenses";
const longestCopyright = 4 * 1024 * 1024;

/**
 * What goes with every package that has a file in the image: its status entry, by which scanners know it, and
 * its copyright file. The status entry brings the file that names the distribution, without which scanners
 * cannot read versions; a copyright file brings the licence texts that it only refers to (Debian Policy 12.5),
 * where the tree has them.
 */
export function packageFilesEvidence(): Evidence {
  return {
    name: "package-files",
    async *needs(path, { tree }) {
      const entry = tree.get(path);
      if (entry === undefined || entry.type === "directory") return;
      if (entry.type === "file" && path.startsWith(`${statusDirectory}/`)) {
        yield optional("/etc/os-release", { kind: "package", package: "base-files", what: "distribution" });
      }
      if (entry.origin?.kind === "package") yield* needsOfPackage(entry.origin.name);
      if (entry.type === "file" && /^\/usr\/share\/doc\/[^/]+\/copyright$/.test(path)) {
        const name = path.split("/")[4] ?? "";
        for (const licence of await licencesOf(entry.content)) {
          yield optional(`${licences}/${licence}`, { kind: "package", package: name, what: "licence text" });
        }
      }
    },
  };
}

function* needsOfPackage(name: string): Generator<Need, void, undefined> {
  const how = (what: string): How => ({ kind: "package", package: name, what });
  yield optional(`/usr/share/doc/${name}/copyright`, how("copyright"));
  yield optional(`${statusDirectory}/${name}`, how("status"));
  yield optional(`${statusDirectory}/${name}.md5sums`, how("status"));
}

const licencesOf = perContent(async (content) => referredLicences(await readText(content, longestCopyright)));

/** The names that a copyright file refers to below `/usr/share/common-licenses`, in byte order. */
export function referredLicences(text: string): string[] {
  const names = new Set<string>();
  for (const [, name] of text.matchAll(/\/usr\/share\/common-licenses\/([A-Za-z0-9][A-Za-z0-9.+-]*)/g)) {
    // A full stop behind the name ends the sentence.
    names.add((name ?? "").replace(/[.-]+$/, ""));
  }
  return [...names].sort();
}

function optional(path: TreePath, how: How): Need {
  return { path, how, missing: "ignore" };
}
