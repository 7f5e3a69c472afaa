import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Changes, comparePaths, isWithin, nameBytes, type TreePath } from "../tree/index.ts";
import { asNamespaceRoot, type Privilege } from "./privilege.ts";
import { runQuietly } from "./signal.ts";
import { sizeOf } from "./snapshot.ts";
import { adoptSnapshot } from "./snapshot-place.ts";
import type { LeftFiles } from "./upper.ts";

/**
 * Makes the upper directory of a step that has ended the snapshot of its layer: what the layer does not say is taken
 * out, and the directory is renamed. No file's bytes are written again.
 *
 * @param directory - the step's, with `upper` in it
 * @param place - where the snapshot belongs
 */
export async function keepUpper(
  directory: string,
  left: LeftFiles,
  changes: Changes,
  place: string,
  privilege: Privilege,
): Promise<void> {
  const upper = join(directory, "upper");
  await removeBelow(upper, surplus(left, changes), privilege);
  await adoptSnapshot(upper, place, sizeOf(changes.added));
}

/** The topmost paths of an upper directory that the layer knows nothing of: mountpoints, sockets, untouched copies. */
export function surplus(left: LeftFiles, changes: Changes): TreePath[] {
  const gone = new Set(changes.removed);
  const paths = [
    ...[...left.tree.entries()].map(([path]) => path).filter((path) => !changes.added.has(path)),
    ...left.removed.filter((path) => !gone.has(path)),
    ...left.sockets,
  ].sort(comparePaths);
  const top: TreePath[] = [];
  for (const path of paths) {
    const last = top.at(-1);
    if (last === undefined || !isWithin(path, last)) top.push(path);
  }
  return top;
}

async function removeBelow(upper: string, paths: readonly TreePath[], privilege: Privilege): Promise<void> {
  if (paths.length === 0) return;
  const names = paths.map((path) => Buffer.concat([Buffer.from(upper), nameBytes(path)]));
  if (privilege === "root") {
    for (const name of names) await rm(name, { recursive: true, force: true });
    return;
  }
  const line = [...asNamespaceRoot(privilege), "xargs", "-0", "rm", "-rf", "--"];
  const status = await runQuietly(line, Buffer.concat(names.flatMap((name) => [name, Buffer.of(0)])));
  if (status !== 0) throw new Error(`Cannot tidy ${upper}: status ${status}`);
}
