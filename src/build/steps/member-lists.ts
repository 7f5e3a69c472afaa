import { join } from "node:path";
import { type Digest, digestHex } from "../../io/index.ts";

/** Where the cache directory keeps the lists of layers' members, each under the layer's diff-id. */
export function memberLists(cacheDirectory: string): string {
  return join(cacheDirectory, "members");
}

/** The list of one layer's members. */
export function memberList(cacheDirectory: string, diffId: Digest): string {
  return join(memberLists(cacheDirectory), digestHex(diffId));
}
