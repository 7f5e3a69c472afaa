import type { Step } from "../build/index.ts";
import type { GitReference } from "../dockerfile/index.ts";
import { WhittleError } from "../io/index.ts";
import type { DockerfileOptions } from "./dockerfile-options.ts";

/** The files of a git repository as a context. */
export function gitContext(git: GitReference, _options: DockerfileOptions, label: string): Step {
  throw new WhittleError("NOT_FOUND", `Cannot load the ${label} from ${git.remote}`);
}
