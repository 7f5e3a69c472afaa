import { type TreePath, treePath } from "../tree/index.ts";
import type { DebianPackage } from "./open-package.ts";
import { commandsNamed } from "./shell-words.ts";

/** Files of other packages go elsewhere because a package wants their place (dpkg-divert(1)). */
export interface Diversion {
  /** The package whose own file keeps the place. */
  readonly package: string;
  readonly from: TreePath;
  readonly to: TreePath;
}

/**
 * The diversions that the `preinst` of packages would set up and that last. Those that only guard an upgrade are
 * left out: the `postinst` removes them again, or they are for the merge of `/usr` (`….usr-is-merged`).
 */
export function diversionsOf(packages: readonly DebianPackage[]): Diversion[] {
  return packages.flatMap((owner) => {
    const removed = commandsNamed(owner.scripts.get("postinst") ?? "", "dpkg-divert")
      .filter((words) => words.includes("--remove"))
      .flat();
    return commandsNamed(owner.scripts.get("preinst") ?? "", "dpkg-divert")
      .flatMap((words) => diversionOf(words, owner.name))
      .filter(({ from }) => !removed.includes(from));
  });
}

function diversionOf(words: readonly string[], owner: string): Diversion[] {
  let to: string | undefined;
  let name = owner;
  const places: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    const [option = "", inline] = word.split("=", 2);
    if (["--remove", "--list", "--truename", "--listpackage"].includes(option)) return [];
    if (option === "--divert") to = inline ?? words[++at];
    else if (option === "--package") name = inline ?? words[++at] ?? owner;
    else if (!word.startsWith("-")) places.push(word);
  }
  const [from] = places;
  if (from?.startsWith("/") !== true || places.length !== 1) return [];
  const target = to ?? `${from}.distrib`;
  if (!target.startsWith("/") || target.endsWith(".usr-is-merged")) return [];
  return [{ package: name, from: treePath(from), to: treePath(target) }];
}
