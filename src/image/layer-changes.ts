import type { Content } from "../io/index.ts";
import { treeOfMembers } from "../tar/index.ts";
import { type Changes, nameOf, type Origin, parentOf, type TreePath, treePath } from "../tree/index.ts";
import { opaqueName, whiteoutPrefix } from "./layer.ts";
import { layerMembers } from "./layer-members.ts";

/**
 * The changes that a layer of our own writing holds; the inverse of `writeLayer`.
 *
 * @param tar - uncompressed; contents of the result are slices of it
 * @param list - where its members are remembered
 */
export async function changesOfLayer(
  tar: Content,
  { origin, list }: { readonly origin?: Origin; readonly list?: string } = {},
): Promise<Changes> {
  const removed: TreePath[] = [];
  const opaque: TreePath[] = [];
  const additions = (await layerMembers(tar, list)).filter((member) => {
    const path = treePath(member.name);
    const name = nameOf(path);
    if (name === opaqueName) opaque.push(parentOf(path));
    else if (name.startsWith(whiteoutPrefix)) {
      removed.push(`${parentOf(path) === "/" ? "" : parentOf(path)}/${name.slice(whiteoutPrefix.length)}`);
    } else return true;
    return false;
  });
  return { added: treeOfMembers(additions, origin === undefined ? {} : { origin }), removed, opaque };
}
