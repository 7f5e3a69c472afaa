import type { Healthcheck } from "../image/index.ts";
import { WhittleError } from "../io/index.ts";
import { durationOf } from "./duration.ts";
import type { RunFlags } from "./run-flags.ts";

/**
 * The health check of a container: the image's, with what the flags say instead.
 *
 * @throws WhittleError `USAGE`
 */
export function healthcheckOf(flags: RunFlags, image: Healthcheck | undefined): Healthcheck | undefined {
  const changes: Healthcheck = {
    ...(flags.healthCmd === undefined ? {} : { Test: ["CMD-SHELL", flags.healthCmd] }),
    ...duration("Interval", flags.healthInterval, "--health-interval"),
    ...duration("Timeout", flags.healthTimeout, "--health-timeout"),
    ...duration("StartPeriod", flags.healthStartPeriod, "--health-start-period"),
    ...duration("StartInterval", flags.healthStartInterval, "--health-start-interval"),
    ...(flags.healthRetries === undefined ? {} : { Retries: retries(flags.healthRetries) }),
  };
  const changed = Object.keys(changes).length > 0;
  if (!flags.healthcheck) {
    if (!changed) return undefined;
    throw new WhittleError("USAGE", "Cannot use --no-healthcheck with other --health flags: one is wanted");
  }
  return changed ? { ...image, ...changes } : image;
}

function duration<Name extends string>(
  name: Name,
  text: string | undefined,
  flag: string,
): Partial<Record<Name, number>> {
  return text === undefined ? {} : ({ [name]: durationOf(text, flag) } as Record<Name, number>);
}

function retries(text: string): number {
  if (/^[0-9]{1,6}$/.test(text)) return Number(text);
  throw new WhittleError("USAGE", `Cannot read --health-retries "${text}": a whole number is wanted`);
}
