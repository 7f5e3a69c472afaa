import { WhittleError } from "../io/index.ts";
import { parseDuration } from "../recipe/index.ts";

/**
 * A duration as Docker takes it, in nanoseconds: `1m30s`.
 *
 * @param flag - for the message
 * @throws WhittleError `USAGE`
 */
export function durationOf(text: string, flag: string): number {
  if (/^(\d+(\.\d+)?(ns|us|ms|s|m|h))+$/.test(text)) return parseDuration(text);
  if (text === "0") return 0;
  throw new WhittleError("USAGE", `Cannot read ${flag} "${text}": a duration like 30s or 1m30s is wanted`);
}

/**
 * A moment as `docker logs --since` takes it, in milliseconds since the epoch: an ISO 8601 time, seconds since the
 * epoch, or how long ago (`10m`).
 *
 * @throws WhittleError `USAGE`
 */
export function momentOf(text: string, flag: string, now: number): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    const moment = Date.parse(text);
    if (!Number.isNaN(moment)) return moment;
  }
  if (/[a-z]$/.test(text)) return now - durationOf(text, flag) / 1e6;
  throw new WhittleError(
    "USAGE",
    `Cannot read ${flag} "${text}": a time like 2026-01-31T12:00:00Z, or 10m for ten minutes ago, is wanted`,
  );
}
