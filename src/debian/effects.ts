import type { Tree } from "../tree/index.ts";
import { type Effect, type EffectNeed, EffectRoot } from "./effect.ts";
import { accounts } from "./effect-accounts.ts";
import { alternatives } from "./effect-alternatives.ts";
import { certificates } from "./effect-certificates.ts";
import { baseFiles, nameServiceSwitch, nginx, nginxModules, timeZone } from "./effect-files.ts";
import { statOverrides } from "./effect-overrides.ts";
import { stateDirectories } from "./effect-state.ts";
import type { DebianPackage } from "./open-package.ts";

/** All known effects in the order in which they apply: users first, others name them. */
export const effects: readonly Effect[] = [
  accounts,
  baseFiles,
  nameServiceSwitch,
  timeZone,
  alternatives,
  certificates,
  nginx,
  nginxModules,
  statOverrides,
  stateDirectories,
];

/**
 * Does to unpacked packages what their maintainer scripts would have done, as far as it is known and an image may
 * need it. Nothing is run. Not done on purpose: caches that only save time (`ld.so.cache`), services,
 * configuration that asks questions.
 *
 * @param tree - of {@link unpack}
 * @returns the tree with what is made, and what programs need that only their packages show
 */
export async function packageEffects(
  tree: Tree,
  packages: readonly DebianPackage[],
): Promise<{ readonly tree: Tree; readonly needs: readonly EffectNeed[] }> {
  const root = new EffectRoot(tree, packages);
  for (const effect of effects) await effect.apply(root);
  return { tree: root.tree, needs: root.needs };
}
