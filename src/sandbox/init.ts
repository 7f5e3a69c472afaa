import { type Environment, WhittleError } from "../io/index.ts";
import { findProgram } from "./machine.ts";

/** Reapers for PID 1 that are static, so that they run in any image. */
const reapers = ["docker-init", "tini-static", "catatonit"];

/**
 * Finds a reaper on the machine.
 *
 * @throws WhittleError `ENVIRONMENT` when there is none
 */
export async function findInit(environment: Environment): Promise<string> {
  for (const name of reapers) {
    const path = await findProgram(name, environment);
    if (path !== undefined) return path;
  }
  throw new WhittleError(
    "ENVIRONMENT",
    `Cannot put a reaper at PID 1: none of ${reapers.join(", ")} is installed`,
    { hint: "apt-get install tini" },
  );
}
