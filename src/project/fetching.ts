import type { GitLocal } from "../build/index.ts";
import { cacheDirectory } from "../io/index.ts";
import type { DockerfileOptions } from "./dockerfile-options.ts";

/** What fetching something for a build needs beside its address. */
export function fetching({ environment, secrets }: DockerfileOptions): GitLocal {
  return {
    environment,
    cacheDirectory: cacheDirectory(environment),
    secret: async (id) => secrets?.get(id)?.(),
  };
}
