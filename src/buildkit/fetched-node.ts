import type { GitRequest, HttpParameters, Step } from "../build/index.ts";
import { type Digest, isDigest, sha256 } from "../io/index.ts";
import { goJson } from "./go-json.ts";
import { sourceName } from "./names.ts";
import type { Node } from "./node.ts";
import type { Neighbours } from "./vertices.ts";

/**
 * A file whose bytes are known beforehand: BuildKit knows it by these and its name (moby/buildkit, source/http). Of
 * other files it counts when the server says that they changed, which is known to nobody but who fetched them.
 */
export function httpNode(step: Step, neighbours: Neighbours): Node | undefined {
  const { name, checksum = "" } = step.parameters as HttpParameters;
  if (!isDigest(checksum)) return undefined;
  const key = { Filename: name, Perm: 0, UID: 0, GID: 0, Checksum: checksum };
  return sourceNode(step, sourceName(sha256(goJson(key))), neighbours);
}

/**
 * The files of a commit that is named in full (moby/buildkit, source/git): without the repository beside them, of
 * which BuildKit's has other contents.
 */
export function gitNode(step: Step, neighbours: Neighbours): Node | undefined {
  const {
    ref = "",
    subdirectory = "",
    keepGitDir = false,
    submodules,
  } = step.parameters as unknown as GitRequest;
  if (!/^[0-9a-f]{40}$/.test(ref) || keepGitDir || submodules !== undefined) return undefined;
  return sourceNode(step, sourceName(subdirectory === "" ? ref : `${ref}:${subdirectory}`), neighbours);
}

function sourceNode(step: Step, name: Digest, { treeOf }: Neighbours): Node {
  return {
    kind: "files",
    identity: `source ${name}`,
    tree: () => treeOf(step),
    provenance: "kept",
    vertex: { names: [name], inputs: [] },
  };
}
