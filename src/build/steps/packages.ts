import type { Archive, DebianPackage, PackageRecord, Resolution } from "../../debian/index.ts";
import {
  bytesContent,
  type ErrorCode,
  emptyContent,
  sha256,
  WhittleError,
  type Work,
} from "../../io/index.ts";
import {
  attributes,
  type Origin,
  Tree,
  TreeBuilder,
  type TreePath,
  unnamedDirectory,
} from "../../tree/index.ts";
import { type Executor, inputOf } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import { settle } from "../settle.ts";
import { computing } from "../turn.ts";
import { type Account, addAccounts } from "./accounts.ts";
import { archiveOptions } from "./archive.ts";
import type { TreeValue } from "./tree-value.ts";

/** Unpacked packages with what their maintainer scripts would have done. */
export interface PackagesValue extends TreeValue {
  readonly packages: readonly PackageRecord[];
  /** Opens some of them. */
  readonly open: (chosen: readonly PackageRecord[]) => Promise<DebianPackage[]>;
  /**
   * Where what follows from these packages is remembered: under this key, which stands for them.
   *
   * @param kind - what it is, with the version of how it is worked out
   */
  readonly memory: (kind: string) => PackagesMemory;
}

/** Something that follows from chosen packages, in the cache directory. */
export interface PackagesMemory {
  /** As JSON gives it back; nothing when it is not known or damaged. */
  get(): unknown;
  set(value: unknown): Promise<void>;
}

/** What a packages step is told. */
export type PackagesParameters = {
  readonly accounts: readonly Account[];
  /** Whether the tree is going to be carved, which writes the package records of what is left. */
  readonly carved: boolean;
};

/** A step that unpacks chosen packages, and adds the recipe's own users and groups. */
export function packagesStep(
  archive: Step,
  resolution: Step,
  parameters: PackagesParameters,
  platform: string,
): Step {
  return {
    kind: "debian-packages",
    platform,
    parameters: parameters as unknown as Json,
    inputs: { archive, resolution },
  };
}

/** Unpacking is put off until somebody looks into the tree: its key says already what it will be. */
export const packagesExecutor: Executor = {
  kind: "debian-packages",
  // Raised as well when unpacking or an effect comes to something else: trees are remembered under it.
  version: 1,
  cached: false,
  run: async (_step, _inputs, { key }) => ({ digest: key, record: null }),
  async load(step, _outcome, inputs, context): Promise<PackagesValue> {
    const resolution = inputOf(inputs, "resolution");
    const { packages } = resolution.record as unknown as Resolution;
    const archive = inputOf(inputs, "archive");
    const { cacheDirectory } = archiveOptions(archive.step);
    const open: PackagesValue["open"] = async (chosen) =>
      openPackages(chosen, await archive.value<Archive>(), cacheDirectory, context);
    const { derived, keepTree, packageEffects, recallTree, statusPaths, unpack } = await import(
      "../../debian/index.ts"
    );
    const memory = (kind: string): PackagesMemory => {
      const values = derived(cacheDirectory, kind);
      return {
        get: () => values.get(resolution.digest),
        set: (value) => values.set(resolution.digest, value),
      };
    };
    const { accounts, carved } = step.parameters as unknown as PackagesParameters;
    const completed = async (tree: Tree): Promise<PackagesValue> => {
      const recorded = carved
        ? withRecordPlaces(tree, packages, statusPaths(packages))
        : await withRecords(tree, await open(packages));
      return { tree: await addAccounts(recorded, accounts), packages, open, memory };
    };
    if (packages.length === 0) return completed(Tree.empty);
    const place = memory(`packages-tree-v${packagesExecutor.version}`);
    const known = await computing(context.signal, async () => {
      const tree = recallTree(place.get(), packages, cacheDirectory);
      return tree === undefined ? undefined : completed(tree);
    });
    if (known !== undefined) return known;
    const opened = await open(packages);
    return computing(context.signal, async () => {
      const { tree } = await packageEffects(await unpack(opened, context), opened);
      const kept = await keepTree(tree, packages, cacheDirectory);
      if (kept !== undefined) await place.set(kept);
      return completed(tree);
    });
  },
};

/**
 * Fetches and opens chosen packages, in their order.
 *
 * @throws WhittleError what fetching or opening one fails with
 */
export async function openPackages(
  chosen: readonly PackageRecord[],
  archive: Archive,
  cacheDirectory: string,
  work: Work,
): Promise<DebianPackage[]> {
  const { openPackage, openUnpacked } = await import("../../debian/index.ts");
  return settle(
    chosen.map(async (one) => {
      const record = servedRecord(one, archive);
      const unpacked = openUnpacked(record, cacheDirectory);
      if (unpacked !== undefined) return unpacked;
      const open = async (): Promise<DebianPackage> =>
        openPackage(await archive.fetch(record, work), record, cacheDirectory, work);
      // A download that was damaged since is thrown away when it is found out; it is fetched once more.
      return open().catch((error: unknown) => {
        if (error instanceof WhittleError && damage.has(error.code)) return open();
        throw error;
      });
    }),
  );
}

/** A record with a mirror of this machine: the choice may be older. */
export function servedRecord(chosen: PackageRecord, archive: Archive): PackageRecord {
  const suite = archive.suites.find((one) => one.suite === chosen.suite) ?? archive.suites[0];
  return { ...chosen, mirror: suite?.mirror ?? chosen.mirror };
}

const damage: ReadonlySet<ErrorCode> = new Set(["DIGEST_MISMATCH", "ARCHIVE_CORRUPT", "ARCHIVE_UNTRUSTED"]);
const origin: Origin = { kind: "generated", what: "package records" };

/** The tree with empty files where package records may go, so that a carve can decide which of them are needed. */
function withRecordPlaces(tree: Tree, packages: readonly PackageRecord[], paths: readonly TreePath[]): Tree {
  if (packages.length === 0) return tree;
  const builder = new TreeBuilder();
  for (const path of paths) {
    for (const place of [path, `${path}.md5sums`]) {
      builder.set(place, { type: "file", content: emptyContent, ...attributes(0o644, { origin }) });
    }
  }
  return tree.place(builder.tree(), "/");
}

/** The carved tree with the records of those packages that have a place for them in it. */
export async function withKeptRecords(tree: Tree, { packages, open }: PackagesValue): Promise<Tree> {
  const { statusPaths } = await import("../../debian/index.ts");
  const paths = statusPaths(packages);
  return withRecords(tree, await open(packages.filter((_, index) => tree.has(paths[index] ?? ""))));
}

/**
 * The tree with the entries by which scanners know packages in an image without a package manager. Sums are
 * recorded of those files only that are in the tree.
 */
async function withRecords(tree: Tree, packages: readonly DebianPackage[]): Promise<Tree> {
  if (packages.length === 0) return tree;
  const { statusEntries } = await import("../../debian/index.ts");
  const builder = new TreeBuilder();
  for (const [path, bytes] of await statusEntries(packages, tree)) {
    const content = bytesContent(bytes, sha256(bytes));
    builder.set(path, { type: "file", content, ...attributes(0o644, { origin }) });
  }
  // Who looks through an image for package managers takes a directory of this name for one; where there is nothing
  // but records in it, no layer has to name it.
  if (tree.children("/var/lib/dpkg").every((name) => name === "status.d")) {
    for (const path of ["/var/lib/dpkg", "/var/lib/dpkg/status.d"]) builder.set(path, unnamedDirectory);
  }
  return tree.place(builder.tree(), "/");
}
