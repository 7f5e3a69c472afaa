import { openSync, readFileSync } from "node:fs";
import { heldCapabilities } from "./machine.ts";
import { becomeProcess, commandStatus, failAloud } from "./plain-process.ts";
import type { Privilege } from "./privilege.ts";
import type { SpecProcess } from "./runtime-spec.ts";
import { enterMountNamespace } from "./system.ts";

// The program that nsenter(1) starts in a container's namespaces: `plain-exec PID PROCESS-FILE PRIVILEGE`.
const [pid = "", processFile = "", privilege = "root"] = process.argv.slice(2);
try {
  const spec = JSON.parse(readFileSync(processFile, "utf8")) as SpecProcess;
  const held = heldCapabilities();
  enterMountNamespace(openSync(`/proc/${pid}/ns/mnt`, "r"));
  becomeProcess(spec, privilege as Privilege, held, failAloud);
} catch (error) {
  failAloud(commandStatus.failed, `Cannot run the command: ${(error as Error).message}`);
}
