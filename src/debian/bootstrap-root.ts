import { readText, type Work } from "../io/index.ts";
import { type Attributes, attributes, parentOf, Tree, TreeBuilder, type TreePath } from "../tree/index.ts";
import {
  type ControlledPackage,
  databaseDirectory,
  databaseFiles,
  extendedStates,
} from "./bootstrap-database.ts";
import { isDocumentation } from "./bootstrap-documentation.ts";
import { configureScript, scriptPath } from "./bootstrap-script.ts";
import { aptSourcesText, containerSettings, sourcesPath, type UsedArchive } from "./bootstrap-settings.ts";
import { type Diversion, diversionsOf } from "./diversions.ts";
import { textContent } from "./effect.ts";
import type { DebianPackage } from "./open-package.ts";
import { unpack } from "./unpack.ts";

/** What a root is made of that is going to be configured. */
export interface UnconfiguredRoot {
  /** The packages to be added, dependencies first. */
  readonly packages: readonly ControlledPackage[];
  /** A configured root that they are added to, and the packages that it has. */
  readonly lower?: { readonly tree: Tree; readonly packages: readonly DebianPackage[] };
  /** Names of packages that somebody asked for. */
  readonly manual: ReadonlySet<string>;
  readonly architecture: string;
  readonly archive: UsedArchive;
  /** Command lines to run when all is configured. */
  readonly commands: readonly string[];
  /** Seconds since the epoch: no file is newer. */
  readonly epoch: number;
}

/**
 * A root with packages unpacked, without their documentation, with dpkg's records of them, and with the script at
 * {@link scriptPath} that configures them.
 *
 * @throws WhittleError as {@link unpack}
 */
export async function unconfiguredRoot(root: UnconfiguredRoot, work: Work): Promise<Tree> {
  const lower = root.lower?.tree ?? Tree.empty;
  const added = root.packages.map((one) => one.package);
  const files = await unpackedFiles(root, added, work);
  const builder = new Additions(root.epoch);
  const known = await knownRecords(lower);
  for (const [path, text] of await databaseFiles(root.packages, known)) {
    const name = path.slice(path.lastIndexOf(".") + 1);
    builder.text(path, text, path.includes("/info/") && scripts.has(name) ? 0o755 : 0o644);
  }
  const diversions = diversionsOf(added);
  const diverted = `${databaseDirectory}/diversions`;
  builder.text(diverted, (known.get(diverted) ?? "") + diversionLines(diversions));
  const states = "/var/lib/apt/extended_states";
  builder.text(states, (known.get(states) ?? "") + extendedStates(added, root.manual, root.architecture));
  if (root.lower === undefined) addSettings(builder, files, root.archive);
  const { epoch, commands } = root;
  builder.text(scriptPath, configureScript({ packages: added, epoch, commands }), 0o755);
  return movedAside(lower, diversions).place(files, "/").place(builder.tree(), "/");
}

const scripts: ReadonlySet<string> = new Set(["preinst", "postinst", "prerm", "postrm", "config"]);

/** The files of the packages that are added; they are unpacked together with the others, whose files may clash. */
async function unpackedFiles(
  root: UnconfiguredRoot,
  added: readonly DebianPackage[],
  work: Work,
): Promise<Tree> {
  const { lower } = root;
  const whole = await unpack([...(lower?.packages ?? []), ...added], work);
  const names = new Set(added.map(({ name }) => name));
  const kept = whole.filter((path, entry) => {
    if (isDocumentation(path)) return false;
    if (lower === undefined) return true;
    if (entry.type === "directory" && lower.tree.has(path)) return false;
    return entry.origin?.kind === "package" && names.has(entry.origin.name);
  });
  if (lower === undefined) return kept;
  // Directories above what is added keep what they are.
  return kept.map((path, entry) => {
    const there = entry.type === "directory" ? lower.tree.get(path) : undefined;
    return there ?? entry;
  });
}

async function knownRecords(lower: Tree): Promise<Map<string, string>> {
  const known = new Map<string, string>();
  const triggers = `${databaseDirectory}/triggers`;
  const paths = [
    `${databaseDirectory}/status`,
    `${databaseDirectory}/diversions`,
    "/var/lib/apt/extended_states",
    ...lower.children(triggers).map((name) => `${triggers}/${name}`),
  ];
  for (const path of paths) {
    const entry = lower.get(path);
    if (entry?.type === "file") known.set(path, await readText(entry.content));
  }
  return known;
}

function diversionLines(diversions: readonly Diversion[]): string {
  return diversions.map(({ from, to, package: owner }) => `${from}\n${to}\n${owner}\n`).join("");
}

/** Files that are there and that a new package wants elsewhere. */
function movedAside(lower: Tree, diversions: readonly Diversion[]): Tree {
  let tree = lower;
  for (const { from, to } of diversions) {
    const { path, entry } = tree.resolve(from, { last: "keep" });
    if (entry === undefined || entry.type === "directory") continue;
    const place = tree.resolve(to, { last: "keep" }).path;
    tree = tree.without(path).place(new TreeBuilder().set(place, entry).tree(), "/");
  }
  return tree;
}

function addSettings(builder: Additions, files: Tree, archive: UsedArchive): void {
  for (const { path, text, mode } of containerSettings) builder.text(path, text, mode);
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  builder.text(sourcesPath, aptSourcesText(archive, files.has(keyring) ? keyring : undefined));
}

/** Files that belong to no package. */
class Additions {
  readonly #builder = new TreeBuilder();
  readonly #mtime: number;

  constructor(mtime: number) {
    this.#mtime = mtime;
  }

  text(path: TreePath, text: string, mode = 0o644): void {
    const origin = {
      kind: "generated",
      what: parentOf(path).startsWith("/etc") ? "settings" : "records of packages",
    } as const;
    const about: Attributes = attributes(mode, { mtime: this.#mtime, origin });
    this.#builder.set(path, { type: "file", content: textContent(text), ...about });
  }

  tree(): Tree {
    return this.#builder.tree();
  }
}
