import { type Content, WhittleError } from "../io/index.ts";
import { type IndexedMember, indexTar, placeOf, type TarLimits, treeOfMembers } from "../tar/index.ts";
import { type Origin, type Tree, TreeBuilder } from "../tree/index.ts";
import { opaqueName, whiteoutPrefix } from "./layer.ts";
import { layerMembers } from "./layer-members.ts";

export interface ApplyLayerOptions {
  readonly origin?: Origin;
  readonly limits?: Partial<TarLimits>;
  /** The file in which the members of a layer that was read within the usual limits are remembered. */
  readonly list?: string;
}

/**
 * Lays a layer over a tree (image-spec, layer, "Applying Changesets"): whiteouts take away what lower layers had,
 * whatever their place in the archive; then the members are added. Links on the way are followed inside the tree.
 *
 * @param tar - the uncompressed layer; contents of the result are slices of it
 * @throws WhittleError `ARCHIVE_CORRUPT`, `ARCHIVE_HOSTILE`
 */
export async function applyLayer(lower: Tree, tar: Content, options: ApplyLayerOptions = {}): Promise<Tree> {
  const { limits, list } = options;
  const members = limits === undefined ? await layerMembers(tar, list) : await indexTar(tar, { limits });
  const whiteouts: IndexedMember[] = [];
  const additions: IndexedMember[] = [];
  for (const member of members)
    (lastPart(member).startsWith(whiteoutPrefix) ? whiteouts : additions).push(member);
  return treeOfMembers(additions, {
    lower: takeAway(lower, whiteouts),
    ...(options.origin === undefined ? {} : { origin: options.origin }),
  });
}

function lastPart(member: IndexedMember): string {
  const name = member.name.replace(/\/+$/, "");
  return name.slice(name.lastIndexOf("/") + 1);
}

function takeAway(lower: Tree, whiteouts: readonly IndexedMember[]): Tree {
  if (whiteouts.length === 0) return lower;
  const builder = new TreeBuilder(undefined, lower);
  for (const member of whiteouts) {
    const path = placeOf(builder, member.name, member.offset);
    const directory = path.slice(0, path.lastIndexOf("/"));
    const name = lastPart(member);
    if (name === opaqueName) {
      for (const child of builder.names(directory || "/")) builder.delete(`${directory}/${child}`);
      continue;
    }
    // Names of the form ".wh..wh.*" are the book-keeping of aufs and mean nothing here.
    if (name.startsWith(whiteoutPrefix + whiteoutPrefix)) continue;
    const gone = name.slice(whiteoutPrefix.length);
    if (gone === "" || gone === "." || gone === "..") {
      throw new WhittleError(
        "ARCHIVE_HOSTILE",
        `Cannot apply the layer: the whiteout ${JSON.stringify(member.name)} names no entry of its directory`,
      );
    }
    builder.delete(`${directory}/${gone}`);
  }
  return builder.tree();
}
