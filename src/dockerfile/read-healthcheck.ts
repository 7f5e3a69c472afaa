import { parseDuration } from "./duration.ts";
import { readFlags } from "./flags.ts";
import type { CommandForm } from "./instruction.ts";
import { mistake } from "./place.ts";
import { type Reader, someArguments } from "./reader.ts";
import type { Statement } from "./statement.ts";

/** Flags of HEALTHCHECK that take a duration, and what the instruction calls them. */
const durations = {
  interval: "interval",
  timeout: "timeout",
  "start-period": "startPeriod",
  "start-interval": "startInterval",
} as const;

/** Reads HEALTHCHECK. */
export const readHealthcheck: Reader = (statement, common) => {
  const [type, ...words] = someArguments(statement);
  if (type.toUpperCase() === "NONE") {
    if (words.length > 0)
      throw mistake(statement.place, "HEALTHCHECK NONE takes no arguments", { part: words[0] });
    return { ...common, kind: "healthcheck", none: true };
  }
  const flags = readFlags(statement, {
    interval: "text",
    timeout: "text",
    "start-period": "text",
    "start-interval": "text",
    retries: "text",
  });
  if (type.toUpperCase() !== "CMD") {
    const message = `Unknown type ${JSON.stringify(type.toUpperCase())} in HEALTHCHECK (try CMD)`;
    throw mistake(statement.place, message, { part: type });
  }
  if (words.length === 0) throw mistake(statement.place, "Missing command after HEALTHCHECK CMD");
  const times = Object.entries(durations).flatMap(([flag, name]) => {
    const value = flags[flag as keyof typeof durations];
    return value ? [[name, nanoseconds(statement, flag, value)] as const] : [];
  });
  return {
    ...common,
    kind: "healthcheck",
    none: false,
    command: commandOf(statement, words),
    ...Object.fromEntries(times),
    ...(flags.retries ? { retries: retriesOf(statement, flags.retries) } : {}),
  };
};

function commandOf(statement: Statement, words: readonly string[]): CommandForm {
  if (statement.arguments.json) return { form: "exec", argv: words };
  return { form: "shell", command: words.join(" "), heredocs: [] };
}

function nanoseconds(statement: Statement, flag: string, value: string): number {
  let time: number;
  try {
    time = parseDuration(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw mistake(statement.place, error.message, {
      part: value,
      hint: 'durations look like "30s" or "1m30s"',
    });
  }
  if (time !== 0 && time < 1e6) {
    throw mistake(statement.place, `Interval ${JSON.stringify(flag)} cannot be less than 1ms`, {
      part: value,
    });
  }
  return time;
}

function retriesOf(statement: Statement, value: string): number {
  const retries = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!(Math.abs(retries) < 2 ** 31)) {
    throw mistake(statement.place, `--retries is not a whole number: ${JSON.stringify(value)}`, {
      part: value,
    });
  }
  if (retries < 0) {
    throw mistake(statement.place, `--retries cannot be negative (${retries})`, { part: value });
  }
  return retries;
}
