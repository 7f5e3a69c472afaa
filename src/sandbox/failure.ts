import { WhittleError } from "../io/index.ts";
import { readOr } from "./machine.ts";
import type { ContainerState } from "./state.ts";

/** What a runtime wrote in its log when it failed; nothing when it did not. */
export function runtimeFailure(log: string): string | undefined {
  const failures = readOr(log, "")
    .split("\n")
    .flatMap((line) => {
      try {
        const { level, msg } = JSON.parse(line) as { level?: unknown; msg?: unknown };
        return level === "error" && typeof msg === "string" ? [msg] : [];
      } catch {
        return [];
      }
    });
  return failures.at(-1);
}

const notFound = /executable file .*not found|no such file or directory|not in the PATH|not in the image/i;
const notExecutable = /permission denied|exec format error|not executable|not a program/i;

/** The error of a container whose program could not be started, from the runtime's own words. */
export function startFailure(image: string, state: ContainerState, reason: string): WhittleError {
  const [program = ""] = state.command;
  const hint = notFound.test(reason)
    ? `whittle tree ${image} lists what the image holds`
    : notExecutable.test(reason)
      ? "the file must be executable for the user of the container and made for its platform"
      : "whittle doctor tells what this machine can do";
  return new WhittleError(
    "CONTAINER_FAILED",
    `Cannot start ${JSON.stringify(program)} in ${image}: ${reason}`,
    { hint },
  );
}

/** The exit status that shells and Docker give a command that was not started for this reason. */
export function failureStatus(reason: string): number {
  return notFound.test(reason) ? 127 : notExecutable.test(reason) ? 126 : 125;
}
