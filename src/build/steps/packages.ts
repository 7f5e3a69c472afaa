import type { Archive, DebianPackage, Resolution } from "../../debian/index.ts";
import { bytesContent, sha256 } from "../../io/index.ts";
import { attributes, Tree, TreeBuilder, unnamedDirectory } from "../../tree/index.ts";
import { type Executor, inputOf } from "../executor.ts";
import type { Step } from "../graph.ts";
import { settle } from "../solver.ts";
import { type Account, addAccounts } from "./accounts.ts";
import { archiveOptions } from "./archive.ts";
import type { TreeValue } from "./tree-value.ts";

/** Unpacked packages with what their maintainer scripts would have done. */
export interface PackagesValue extends TreeValue {
  readonly packages: readonly DebianPackage[];
}

/** A step that unpacks chosen packages, and adds the recipe's own users and groups. */
export function packagesStep(
  archive: Step,
  resolution: Step,
  accounts: readonly Account[],
  platform: string,
): Step {
  return {
    kind: "debian-packages",
    platform,
    parameters: { accounts: accounts.map((account) => ({ ...account })) },
    inputs: { archive, resolution },
  };
}

/** Unpacking is put off until somebody looks into the tree: its key says already what it will be. */
export const packagesExecutor: Executor = {
  kind: "debian-packages",
  version: 1,
  cached: false,
  run: async (_step, _inputs, { key }) => ({ digest: key, record: null }),
  async load(step, _outcome, inputs, context): Promise<PackagesValue> {
    const { openPackage, packageEffects, unpack } = await import("../../debian/index.ts");
    const resolution = inputOf(inputs, "resolution").record as unknown as Resolution;
    const archiveInput = inputOf(inputs, "archive");
    const { cacheDirectory } = archiveOptions(archiveInput.step);
    const archive = await archiveInput.value<Archive>();
    const packages = await settle(
      resolution.packages.map(async (chosen) => {
        // The choice may be older than this machine's mirrors.
        const mirror = archive.suites.find((suite) => suite.suite === chosen.suite) ?? archive.suites[0];
        const record = { ...chosen, mirror: mirror?.mirror ?? chosen.mirror };
        const path = await archive.fetch(record, context);
        return openPackage(path, record, cacheDirectory, context);
      }),
    );
    const unpacked = packages.length === 0 ? Tree.empty : await unpack(packages, context);
    const effects = await packageEffects(unpacked, packages);
    const recorded = await withRecords(effects.tree, packages);
    const { accounts } = step.parameters as unknown as { accounts: readonly Account[] };
    return { tree: await addAccounts(recorded, accounts), packages };
  },
};

/**
 * The tree with the entries by which scanners know packages in an image without a package manager. Sums are
 * recorded of those files only that are in the tree, so a carved tree gets its records again.
 *
 * @param only - leave out what is not in the tree already
 */
export async function withRecords(
  tree: Tree,
  packages: readonly DebianPackage[],
  only: "all" | "present" = "all",
): Promise<Tree> {
  const { statusEntries } = await import("../../debian/index.ts");
  const builder = new TreeBuilder();
  for (const [path, bytes] of await statusEntries(packages, tree)) {
    const present = tree.get(path);
    if (only === "present" && present === undefined) continue;
    const origin = present?.origin ?? { kind: "generated" as const, what: "package records" };
    builder.set(path, {
      type: "file",
      content: bytesContent(bytes, sha256(bytes)),
      ...attributes(0o644, { origin }),
    });
  }
  if (builder.names("/").length === 0) return tree;
  // Who looks through an image for package managers takes a directory of this name for one; where there is nothing
  // but records in it, no layer has to name it.
  if (tree.children("/var/lib/dpkg").every((name) => name === "status.d")) {
    for (const path of ["/var/lib/dpkg", "/var/lib/dpkg/status.d"]) builder.set(path, unnamedDirectory);
  }
  return tree.place(builder.tree(), "/");
}
