import { readFlags } from "./flags.ts";
import type { Instruction, Mount } from "./instruction.ts";
import { parseMount } from "./mount.ts";
import { mistake } from "./place.ts";
import { commandForm, type Reader } from "./reader.ts";
import type { Statement } from "./statement.ts";

type Run = Extract<Instruction, { kind: "run" }>;

const networks = ["default", "none", "host"] as const;
const securities = ["sandbox", "insecure"] as const;

/** Reads RUN. */
export const readRun: Reader = (statement, common) => {
  const flags = readFlags(statement, { mount: "texts", network: "text", security: "text" });
  const network = choice(statement, networks, flags.network, "invalid network mode");
  const security = choice(statement, securities, flags.security, "security is not valid:");
  return {
    ...common,
    kind: "run",
    command: commandForm(statement),
    mounts: flags.mount.flatMap((value) => plainMount(value, statement)),
    mountFlags: flags.mount,
    ...(network === undefined ? {} : { network }),
    ...(security === undefined ? {} : { security }),
  };
};

/**
 * The mounts of a RUN with the variables in their options filled in. Only now are the options checked: in the
 * reference implementation, too, a wrong mount of a stage that is not built goes unnoticed.
 *
 * @throws WhittleError `DOCKERFILE_INVALID`
 */
export function readMounts(run: Run, expand: (text: string) => string = (text) => text): Mount[] {
  return run.mountFlags.map((value) => parseMount(value, run.place, expand));
}

function plainMount(value: string, statement: Statement): Mount[] {
  const from = /(?:^|,)from=([^,]*\$[^,]+)/i.exec(value)?.[1];
  if (from !== undefined) {
    const message = "'from' doesn't support variable expansion, define alias stage instead";
    throw mistake(statement.place, message, { part: from });
  }
  if (value.includes("$")) return [];
  try {
    return [parseMount(value, statement.place, (text) => text)];
  } catch {
    return [];
  }
}

function choice<const Value extends string>(
  statement: Statement,
  values: readonly Value[],
  given: string | undefined,
  message: string,
): Value | undefined {
  if (given === undefined) return undefined;
  const found = values.find((value) => value === given);
  if (found !== undefined) return found;
  throw mistake(
    statement.place,
    `${message} ${JSON.stringify(given)}, one of ${values.join(", ")} is wanted`,
    {
      part: given,
      meant: [given, values],
    },
  );
}
