import { openSync, readFileSync } from "node:fs";
import { heldCapabilities } from "./machine.ts";
import { becomeProcess, commandStatus, failInLog } from "./plain-process.ts";
import type { Privilege } from "./privilege.ts";
import type { SpecProcess } from "./runtime-spec.ts";
import { enterMountNamespace } from "./system.ts";

// The program that nsenter(1) starts in a container's namespaces: `plain-exec PID PROCESS-FILE LOG PRIVILEGE`.
const [pid = "", processFile = "", log = "", privilege = "root"] = process.argv.slice(2);
const fail = failInLog(openSync(log, "a"));
try {
  const spec = JSON.parse(readFileSync(processFile, "utf8")) as SpecProcess;
  const held = heldCapabilities();
  enterMountNamespace(openSync(`/proc/${pid}/ns/mnt`, "r"));
  becomeProcess(spec, privilege as Privilege, held, fail);
} catch (error) {
  fail(commandStatus.failed, (error as Error).message);
}
