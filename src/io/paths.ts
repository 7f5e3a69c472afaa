import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** Environment variables that decide where things are kept. */
export type Environment = Readonly<Record<string, string | undefined>>;

function base(environment: Environment, variable: string, fallback: string): string {
  const value = environment[variable];
  // The XDG base directory specification says that a relative path is to be ignored.
  return value !== undefined && isAbsolute(value) ? value : join(environment["HOME"] ?? homedir(), fallback);
}

/** Where downloads and snapshots are kept; may be lost at any time (XDG cache directory). */
export function cacheDirectory(environment: Environment = process.env): string {
  return join(base(environment, "XDG_CACHE_HOME", ".cache"), "whittle");
}

/** Where what must not be lost is kept: images, volumes (XDG data directory). */
export function dataDirectory(environment: Environment = process.env): string {
  return join(base(environment, "XDG_DATA_HOME", ".local/share"), "whittle");
}

/** Where a person's settings are (XDG configuration directory). */
export function configurationDirectory(environment: Environment = process.env): string {
  return join(base(environment, "XDG_CONFIG_HOME", ".config"), "whittle");
}

/** Where images are kept: `$WHITTLE_STORE`, else in the XDG data directory. */
export function storeDirectory(environment: Environment = process.env): string {
  const chosen = environment["WHITTLE_STORE"];
  if (chosen !== undefined && chosen !== "") return chosen;
  return join(dataDirectory(environment), "store");
}

/** Where the state of running containers is kept: `$XDG_RUNTIME_DIR`, `/run` for root, else the cache. */
export function runtimeDirectory(environment: Environment = process.env): string {
  const chosen = environment["XDG_RUNTIME_DIR"];
  if (chosen !== undefined && isAbsolute(chosen)) return join(chosen, "whittle");
  return process.getuid?.() === 0 ? "/run/whittle" : join(cacheDirectory(environment), "run");
}
