import { openSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { heldCapabilities } from "./machine.ts";
import { becomeProcess, commandStatus, failInLog } from "./plain-process.ts";
import { bindRoot, enterRoot, layRoot } from "./plain-root.ts";
import type { Privilege } from "./privilege.ts";
import type { RuntimeSpec } from "./runtime-spec.ts";
import { loopbackUp, setHostname } from "./system.ts";

// The program that unshare(1) starts in new namespaces: `plain-init DIRECTORY PRIVILEGE [laid]`.
const [directory = "", privilege = "root", laid] = process.argv.slice(2);
const spec = JSON.parse(readFileSync(`${directory}/config.json`, "utf8")) as RuntimeSpec;
const fail = failInLog(openSync(`${directory}/runtime.log`, "a"));
try {
  // /proc is still the machine's, so this is the number by which the machine knows this process.
  const pid = readlinkSync("/proc/self");
  const held = heldCapabilities();
  if (laid === undefined) layRoot(directory, privilege as Privilege);
  else bindRoot(directory);
  if (spec.hostname !== undefined) setHostname(spec.hostname);
  if (spec.linux.namespaces.some(({ type }) => type === "network")) loopbackUp();
  writeFileSync(`${directory}/pid`, pid);
  enterRoot(directory, spec);
  becomeProcess(spec.process, privilege as Privilege, held, fail);
} catch (error) {
  fail(commandStatus.failed, (error as Error).message);
}
