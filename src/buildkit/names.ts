import { type Digest, sha256 } from "../io/index.ts";
import { type GoValue, goJson } from "./go-json.ts";

/** The name of an output of an operation: what its records have as digest (solver/cachemanager.go, `rootKey`). */
export function outputName(cacheMap: Digest, output = 0): Digest {
  return sha256(`${cacheMap}@${output}`);
}

/** The digest of the root record of a content: it is of no output (solver/edge.go). */
export function contentName(content: Digest): Digest {
  return outputName(content, -1);
}

/** The name of an operation that is described by JSON. */
export function operationName(description: GoValue): Digest {
  return outputName(sha256(goJson(description)));
}

/** The name of what a source gives (solver/llbsolver/ops/source.go). */
export function sourceName(key: string): Digest {
  return outputName(sha256(`buildkit.source.v0:${key}`));
}

/** The selector of some paths of an input. */
export function pathsSelector(paths: readonly string[]): Digest {
  return sha256(paths.join("\0"));
}

/** A time as file operations have it, in nanoseconds; -1 for the present. */
export function timestampOf(epoch: number | undefined): number {
  return epoch === undefined ? -1 : epoch * 1e9;
}
