import type { GitLocal } from "../build/index.ts";
import { cacheDirectory } from "../io/index.ts";
import { agentsOf } from "./agents.ts";
import type { DockerfileOptions } from "./dockerfile-options.ts";

/** What fetching something for a build needs beside its address. */
export function fetching({ environment, secrets, agents }: DockerfileOptions): GitLocal {
  return {
    environment,
    cacheDirectory: cacheDirectory(environment),
    secret: async (id) => secrets?.get(id)?.(),
    agent: agentsOf(agents),
  };
}
