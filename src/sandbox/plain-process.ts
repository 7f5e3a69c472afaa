import { mkdirSync, statSync, writeSync } from "node:fs";
import { capabilityNames, capabilityNumbers } from "./capabilities.ts";
import type { Privilege } from "./privilege.ts";
import type { SpecProcess } from "./runtime-spec.ts";
import {
  becomeUser,
  dropBoundingCapabilities,
  execute,
  forbidNewPrivileges,
  limitResource,
  SystemCallError,
  setCapabilities,
} from "./system.ts";

/** Exit statuses of a command that could not be started, as shells and Docker give them. */
export const commandStatus = { failed: 125, notExecutable: 126, notFound: 127 } as const;

/** Says why a program could not be started, and ends. */
export type Fail = (status: number, message: string) => never;

/**
 * Gives up what the process is not to have and becomes it. The root directory is the container's already.
 *
 * @param held - the capabilities of the bounding set, found while the machine's /proc was still in reach
 */
export function becomeProcess(
  process_: SpecProcess,
  privilege: Privilege,
  held: readonly string[],
  fail: Fail,
): never {
  const { user, capabilities, args, env } = process_;
  mkdirSync(process_.cwd, { recursive: true });
  const lost = capabilityNames.filter((name) => held.includes(name) && !capabilities.bounding.includes(name));
  dropBoundingCapabilities(capabilityNumbers(lost));
  // Where there is a single id, the process has it from the start and there are no other groups.
  if (privilege !== "single") becomeUser(user.uid, user.gid, user.additionalGids ?? []);
  setCapabilities(capabilityNumbers(capabilities.permitted));
  for (const { type, soft, hard } of process_.rlimits ?? []) limitResource(type, soft, hard);
  if (process_.noNewPrivileges) forbidNewPrivileges();
  process.chdir(process_.cwd);
  return executeFromPath(args, env, fail);
}

function executeFromPath(args: readonly string[], env: readonly string[], fail: Fail): never {
  const [name = ""] = args;
  const path = env.find((line) => line.startsWith("PATH="))?.slice(5) ?? "";
  const candidates = name.includes("/") ? [name] : path.split(":").map((directory) => `${directory}/${name}`);
  let status: number = commandStatus.notFound;
  let reason = name.includes("/") ? "no such file or directory" : "it is not in the PATH of the container";
  for (const candidate of candidates) {
    try {
      if (statSync(candidate).isDirectory()) continue;
    } catch {
      continue;
    }
    try {
      execute(candidate, args, env);
    } catch (error) {
      status = commandStatus.notExecutable;
      reason = describe(error, candidate);
    }
  }
  return fail(status, reason);
}

function describe(error: unknown, path: string): string {
  const code = error instanceof SystemCallError ? error.code : String(error);
  switch (code) {
    case "EACCES":
      return `${path} is not executable for this user`;
    case "ENOEXEC":
      return `${path} is not a program of this machine's architecture`;
    case "ENOENT":
      return `${path} names an interpreter or loader that is not in the image`;
    default:
      return `${path}: ${code}`;
  }
}

/** Fails with a line in an open file, in the form of an OCI runtime's log. */
export function failInLog(descriptor: number): Fail {
  return (status, msg) => {
    writeSync(descriptor, `${JSON.stringify({ level: "error", msg })}\n`);
    process.exit(status);
  };
}
