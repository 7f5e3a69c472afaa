import { createHash } from "node:crypto";
import { readContent } from "../io/index.ts";
import type { DebianPackage } from "./open-package.ts";

/** What dpkg keeps below `/var/lib/dpkg`: path and text of each file. */
export type DatabaseFiles = Map<string, string>;

/** Where dpkg keeps its records. */
export const databaseDirectory = "/var/lib/dpkg";

/** A package and all files of its control archive. */
export interface ControlledPackage {
  readonly package: DebianPackage;
  readonly controlFiles: ReadonlyMap<string, string>;
}

/** The name of a package's files in `info`: qualified where several architectures may be there together. */
export function infoName({ name, architecture, control }: DebianPackage): string {
  return control.get("multi-arch") === "same" ? `${name}:${architecture}` : name;
}

/**
 * The records of packages that are unpacked and not configured, as dpkg would have written them while unpacking
 * (dpkg(1), deb-triggers(5)).
 *
 * @param known - records that are there already, to be added to
 */
export async function databaseFiles(
  packages: readonly ControlledPackage[],
  known: ReadonlyMap<string, string>,
): Promise<DatabaseFiles> {
  const files: DatabaseFiles = new Map();
  const paragraphs: string[] = [];
  for (const one of packages) {
    paragraphs.push(await statusParagraph(one.package));
    const name = `${databaseDirectory}/info/${infoName(one.package)}`;
    const paths = [...one.package.tree.entries()].map(([path]) => path);
    files.set(`${name}.list`, `${["/.", ...paths].join("\n")}\n`);
    for (const [file, text] of one.controlFiles) files.set(`${name}.${file}`, text);
  }
  files.set(`${databaseDirectory}/info/format`, "1\n");
  const status = `${databaseDirectory}/status`;
  files.set(status, joined([known.get(status) ?? "", ...paragraphs], "\n"));
  for (const [path, lines] of triggerFiles(packages)) {
    files.set(path, joined([known.get(path) ?? "", ...lines.map((line) => `${line}\n`)], ""));
  }
  return files;
}

function joined(parts: readonly string[], between: string): string {
  return parts.filter((part) => part !== "").join(between);
}

/** The control paragraph with its state; configuration files get the sums by which changes to them are known. */
async function statusParagraph(one: DebianPackage): Promise<string> {
  const lines = one.controlText.trimEnd().split("\n");
  const at = lines.findIndex((line) => /^package:/i.test(line));
  lines.splice(at + 1, 0, "Status: install ok unpacked");
  const sums: string[] = [];
  for (const path of one.conffiles) {
    const entry = one.tree.get(path);
    if (entry?.type !== "file") continue;
    const sum = createHash("md5")
      .update(await readContent(entry.content))
      .digest("hex");
    sums.push(` ${path} ${sum}`);
  }
  if (sums.length > 0) lines.push("Conffiles:", ...sums);
  return `${lines.join("\n")}\n`;
}

/** Who is interested in which trigger: paths go to one file, names to one each. */
function triggerFiles(packages: readonly ControlledPackage[]): Map<string, string[]> {
  const files = new Map<string, string[]>();
  for (const { package: one, controlFiles } of packages) {
    for (const line of (controlFiles.get("triggers") ?? "").split("\n")) {
      const [, how, name] = /^\s*interest(-await|-noawait)?\s+(\S+)/.exec(line) ?? [];
      if (name === undefined) continue;
      const who = `${infoName(one)}${how === "-noawait" ? "/noawait" : ""}`;
      const isPath = name.startsWith("/");
      const path = `${databaseDirectory}/triggers/${isPath ? "File" : name}`;
      files.set(path, [...(files.get(path) ?? []), isPath ? `${name} ${who}` : who]);
    }
  }
  return files;
}

/**
 * apt's note of the packages that came only because others need them.
 *
 * @param native - the system's architecture: what apt notes for packages that have none
 */
export function extendedStates(
  packages: readonly DebianPackage[],
  manual: ReadonlySet<string>,
  native: string,
): string {
  return packages
    .filter(({ name }) => !manual.has(name))
    .map(
      ({ name, architecture }) =>
        `Package: ${name}\nArchitecture: ${architecture === "all" ? native : architecture}\nAuto-Installed: 1\n\n`,
    )
    .join("");
}
