import { WhittleError } from "../io/index.ts";
import type { DockerfileOptions } from "../project/index.ts";

/** The flags of `build` that say what RUN may do and gets. */
export interface RunRuleFlags {
  readonly allow: readonly string[];
  readonly shmSize?: string;
  readonly pidsLimit?: string;
  readonly ulimit: readonly string[];
}

type Rules = Pick<DockerfileOptions, "allow" | "shmSize" | "pidsLimit" | "limits">;

/**
 * What commands may ask for and get.
 *
 * @param network - that of all commands, as it was given: whoever gives the machine's own allows it
 * @throws WhittleError `USAGE`
 */
export function runRules(flags: RunRuleFlags, network: string | undefined): Rules {
  const allow = flags.allow.map(entitlement);
  if (network === "host") allow.push("network.host");
  return {
    ...(allow.length === 0 ? {} : { allow }),
    ...(flags.shmSize === undefined ? {} : { shmSize: bytes(flags.shmSize) }),
    ...(flags.pidsLimit === undefined ? {} : { pidsLimit: count(flags.pidsLimit) }),
    ...(flags.ulimit.length === 0 ? {} : { limits: flags.ulimit.map(limit) }),
  };
}

function entitlement(text: string): NonNullable<Rules["allow"]>[number] {
  if (text === "network.host" || text === "security.insecure") return text;
  throw new WhittleError(
    "USAGE",
    `Cannot allow "${text}": network.host (RUN --network=host) or security.insecure (RUN --security=insecure) is wanted`,
  );
}

const units: Readonly<Record<string, number>> = { "": 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

function bytes(text: string): number {
  const [, number, unit = ""] = /^(\d{1,12})([bkmg]?)b?$/i.exec(text) ?? [];
  if (number !== undefined && Number(number) > 0) return Number(number) * (units[unit.toLowerCase()] ?? 1);
  throw new WhittleError("USAGE", `Cannot use --shm-size "${text}": a size as 64m is wanted`);
}

function count(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new WhittleError("USAGE", `Cannot use --pids-limit "${text}": a number from 1 on is wanted`);
}

const resources =
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(
    " ",
  );

/** `nofile=1024` or `nofile=1024:2048`, soft and hard; -1 for none, as Docker takes it. */
function limit(text: string): NonNullable<Rules["limits"]>[number] {
  const [, name = "", soft, hard = soft] = /^([a-z]+)=(-1|\d{1,15})(?::(-1|\d{1,15}))?$/.exec(text) ?? [];
  if (!resources.includes(name) || soft === undefined || hard === undefined) {
    throw new WhittleError(
      "USAGE",
      `Cannot use --ulimit "${text}": NAME=SOFT[:HARD] is wanted, with one of the names ${resources.join(", ")}`,
    );
  }
  const [least, most] = [soft, hard].map((number) => (number === "-1" ? unlimited : Number(number)));
  if (least === undefined || most === undefined || least > most) {
    throw new WhittleError("USAGE", `Cannot use --ulimit "${text}": the soft limit is above the hard one`);
  }
  return { type: `RLIMIT_${name.toUpperCase()}`, soft: least, hard: most };
}

// RLIM_INFINITY is 2^64 - 1, which no JSON number is; the kernel takes nothing near this for any resource.
const unlimited = Number.MAX_SAFE_INTEGER;
