import { WhittleError } from "../io/index.ts";

/** When a container's program is started again after its end (Docker's policies). */
export interface RestartPolicy {
  readonly name: "no" | "on-failure" | "always" | "unless-stopped";
  /** With `on-failure`: how often at most; 0 knows no end. */
  readonly most: number;
}

/** What holds when nobody says anything. */
export const noRestart: RestartPolicy = { name: "no", most: 0 };

/**
 * Reads what `--restart` takes: `no`, `on-failure[:N]`, `always`, `unless-stopped`.
 *
 * @throws WhittleError `USAGE`
 */
export function parseRestart(text: string): RestartPolicy {
  const match = /^(no|always|unless-stopped|on-failure(?::([0-9]{1,6}))?)$/.exec(text);
  if (match === null) {
    throw new WhittleError(
      "USAGE",
      `Cannot restart by "${text.slice(0, 100)}": no, on-failure[:N], always and unless-stopped are possible`,
    );
  }
  const name = (text.split(":")[0] ?? "no") as RestartPolicy["name"];
  return { name, most: Number(match[2] ?? 0) };
}

/** Whether a program that ended by itself with this status is started again, having been so often before. */
export function startsAgain({ name, most }: RestartPolicy, status: number, restarts: number): boolean {
  switch (name) {
    case "no":
      return false;
    case "on-failure":
      return status !== 0 && (most === 0 || restarts < most);
    default:
      return true;
  }
}

const shortestWait = 100;
const longestWait = 60_000;
const enough = 10_000;

/**
 * How many milliseconds pass before the next start (as in Docker): twice as long each time, up to a minute, and
 * short again after the program has run for ten seconds.
 */
export function nextWait(before: number | undefined, ranFor: number): number {
  if (before === undefined || ranFor >= enough) return shortestWait;
  return Math.min(before * 2, longestWait);
}
