import type { ContainerConfig } from "../image/index.ts";
import { WhittleError } from "../io/index.ts";
import type { Account } from "./accounts.ts";
import type { RunOptions } from "./options.ts";

/** What runs in a container: the OCI runtime-spec's `process`, without what is the same for every container. */
export interface ContainerProcess {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly account: Account;
  readonly terminal: boolean;
}

/** The PATH of an image that sets none; the same as Docker's. */
export const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The command of a container by Docker's rules: `Entrypoint` followed by `Cmd`; arguments replace `Cmd`, and
 * another entry point makes the image's `Cmd` not count.
 *
 * @throws WhittleError `USAGE` when nothing is left to run
 */
export function containerCommand(image: string, config: ContainerConfig, options: RunOptions): string[] {
  const entrypoint = options.entrypoint ?? config.Entrypoint ?? [];
  const given = options.command ?? [];
  const command = given.length > 0 ? given : options.entrypoint === undefined ? (config.Cmd ?? []) : [];
  const args = [...entrypoint, ...command];
  if (args.length > 0 && args[0] !== "") return args;
  throw new WhittleError("USAGE", `Cannot run ${image}: the image names no command and none was given`, {
    hint: `whittle run ${image} COMMAND`,
  });
}

/** Sets variables over others; the last value of a name wins, and the place of its first mention stays. */
export function mergeEnvironment(...lists: readonly (readonly string[])[]): string[] {
  const merged = new Map<string, string>();
  for (const line of lists.flat()) {
    const name = line.split("=", 1)[0] ?? "";
    if (name !== "" && line.includes("=")) merged.set(name, line);
  }
  return [...merged.values()];
}

/**
 * The environment of a container: the image's, then what the person sets; `PATH`, `HOSTNAME`, `HOME` and (with a
 * terminal) `TERM` where nobody says otherwise.
 */
export function containerEnvironment(
  config: ContainerConfig,
  options: RunOptions,
  account: Account,
  hostname: string,
): string[] {
  return mergeEnvironment(
    [`PATH=${defaultPath}`, `HOSTNAME=${hostname}`],
    options.terminal ? ["TERM=xterm"] : [],
    [`HOME=${account.home}`],
    config.Env ?? [],
    options.environment ?? [],
  );
}
