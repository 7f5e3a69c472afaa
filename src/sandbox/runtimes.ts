import { access, constants } from "node:fs/promises";
import { type Environment, WhittleError } from "../io/index.ts";
import type { Driver } from "./driver.ts";
import { cgroupMode, findProgram } from "./machine.ts";
import { ociDriver } from "./oci-driver.ts";
import { type DriverName, driverNames } from "./options.ts";
import { plainDriver } from "./plain-driver.ts";
import { choosePrivilege, type Privilege } from "./privilege.ts";

/** A way to run containers and whether it works on this machine. */
export interface DriverReport {
  readonly name: DriverName;
  /** The program, where it is installed. */
  readonly path?: string;
  readonly driver?: Driver;
  /** Why it cannot be used here, or what is special about it. */
  readonly note?: string;
}

/** The way that was chosen, and what else the container's configuration has to know about the machine. */
export interface Setup {
  readonly driver: Driver;
  readonly privilege: Privilege;
  /** Limits of memory, processor and processes can be set. */
  readonly limits: boolean;
  /** The container may be shown its control groups. */
  readonly showCgroups: boolean;
}

const unifiedBesideOlder = "/sys/fs/cgroup/unified";

/** Looks at all ways to run containers, in order of preference. */
export async function surveyDrivers(environment: Environment, privilege: Privilege): Promise<DriverReport[]> {
  const missing = await missingPrograms(environment, privilege);
  const nsenter = await findProgram("nsenter", environment);
  if (missing.length > 0 || nsenter === undefined) {
    const note = `${missing.join(" and ")} from util-linux ${missing.length === 1 ? "is" : "are"} missing`;
    return driverNames.map((name) => ({ name, note }));
  }
  return [
    await surveyRunc(environment, privilege),
    await surveyCrun(environment, privilege),
    { name: "plain", driver: plainDriver(nsenter) },
  ];
}

/**
 * Chooses how to run containers.
 *
 * @param wanted - exactly this way
 * @param uid - the user of the program; with a single id to give, only the plain driver can give it another
 *   number than 0
 * @throws WhittleError `ENVIRONMENT` when nothing here can run containers
 */
export async function chooseSetup(
  environment: Environment,
  wanted: DriverName | undefined,
  uid: number,
): Promise<Setup> {
  const privilege = await choosePrivilege(environment);
  const reports = await surveyDrivers(environment, privilege);
  const usable = reports.filter(({ name, driver }) => {
    if (driver === undefined || (wanted !== undefined && name !== wanted)) return false;
    return privilege !== "single" || uid === 0 || name === "plain" || wanted !== undefined;
  });
  const driver = usable[0]?.driver;
  if (driver === undefined) {
    const reasons = reports.map(({ name, note }) => `${name}: ${note ?? "not wanted"}`).join("; ");
    throw new WhittleError("ENVIRONMENT", `Cannot run containers here: ${reasons}`, {
      hint: "apt-get install runc util-linux",
    });
  }
  const mode = cgroupMode();
  const limits = privilege === "root" && driver.name !== "plain" && (await cgroupsWritable());
  return {
    driver,
    privilege,
    limits,
    showCgroups: limits && !(driver.name === "crun" && mode === "hybrid"),
  };
}

async function surveyRunc(environment: Environment, privilege: Privilege): Promise<DriverReport> {
  const path = await findProgram("runc", environment);
  if (path === undefined) return { name: "runc", note: "not installed" };
  if (privilege === "root" && !(await cgroupsWritable())) {
    return { name: "runc", path, note: "the control groups cannot be written, which runc needs as root" };
  }
  const options = privilege === "root" ? [] : ["--rootless=true"];
  return { name: "runc", path, driver: ociDriver({ name: "runc", path, options, hide: "" }) };
}

async function surveyCrun(environment: Environment, privilege: Privilege): Promise<DriverReport> {
  const path = await findProgram("crun", environment);
  if (path === undefined) return { name: "crun", note: "not installed" };
  const hybrid = cgroupMode() === "hybrid";
  const manager = privilege === "root" && (await cgroupsWritable()) ? "cgroupfs" : "disabled";
  const options = [`--cgroup-manager=${manager}`];
  return {
    name: "crun",
    path,
    driver: ociDriver({ name: "crun", path, options, hide: hybrid ? unifiedBesideOlder : "" }),
    ...(hybrid ? { note: "refuses control groups in hybrid mode; the unified ones are hidden from it" } : {}),
  };
}

async function missingPrograms(environment: Environment, privilege: Privilege): Promise<string[]> {
  const wanted = ["unshare", "nsenter", ...(privilege === "root" ? [] : ["mount"])];
  const found = await Promise.all(wanted.map((name) => findProgram(name, environment)));
  return wanted.filter((_, index) => found[index] === undefined);
}

async function cgroupsWritable(): Promise<boolean> {
  const mode = cgroupMode();
  if (mode === "none") return false;
  const directory = mode === "v2" ? "/sys/fs/cgroup" : "/sys/fs/cgroup/devices";
  return access(directory, constants.W_OK).then(
    () => true,
    () => false,
  );
}
