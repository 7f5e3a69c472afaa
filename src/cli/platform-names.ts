import { formatPlatform, hostPlatform } from "../image/index.ts";
import { WhittleError } from "../io/index.ts";

/**
 * The platforms of `--platform`, of which `local` is this machine's; undefined when none were asked for.
 *
 * @throws WhittleError `USAGE` for a list of none
 */
export function platformNames(flags: { readonly platform: readonly string[] }): string[] | undefined {
  if (flags.platform.length === 0) return undefined;
  const names = flags.platform
    .flatMap((list) => list.split(","))
    .map((name) => name.trim())
    .map((name) => (name.toLowerCase() === "local" ? formatPlatform(hostPlatform()) : name))
    .filter((name) => name !== "");
  if (names.length > 0) return [...new Set(names)];
  throw new WhittleError("USAGE", `Cannot build for --platform "${flags.platform.join(" ")}": it names none`);
}
