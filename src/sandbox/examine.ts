import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { allPlatforms, formatPlatform, type Platform } from "../image/index.ts";
import type { Environment } from "../io/index.ts";
import { emulator, emulatorHint, executionOf } from "./emulation.ts";
import { examineNetwork } from "./examine-network.ts";
import { findInit } from "./init.ts";
import { cgroupMode, findProgram, subordinateIds } from "./machine.ts";
import type { DriverName } from "./options.ts";
import { choosePrivilege, type Privilege, userNamespaceOptions } from "./privilege.ts";
import { type DriverReport, surveyDrivers } from "./runtimes.ts";
import { runQuietly } from "./signal.ts";
import { allowHint, canMakeNamespace, subordinateHint } from "./user-namespace.ts";

/** One thing about the machine. */
export interface Finding {
  readonly topic: string;
  /** `limited`: it works, but something is better elsewhere. */
  readonly status: "ok" | "limited" | "missing";
  /** What was found, for a person. */
  readonly found: string;
  /** The one line that would change it. */
  readonly hint?: string;
}

/** Examines what containers need of a machine by trying it. */
export async function examineSandbox(environment: Environment = process.env): Promise<Finding[]> {
  const privilege = await choosePrivilege(environment);
  return [
    ...(await examineDrivers(environment, privilege)),
    await examinePrivilege(privilege),
    await examineOverlay(privilege),
    await examineCgroups(environment, privilege),
    await examineNetwork(environment),
    await examineTools(environment),
    await examineInit(environment),
    ...allPlatforms.map(examinePlatform),
  ];
}

function examinePlatform(platform: Platform): Finding {
  const topic = formatPlatform(platform);
  const execution = executionOf(platform);
  if (execution === "native") return { topic, status: "ok", found: "runs on the processor" };
  if (execution === "emulated") {
    return { topic, status: "ok", found: `runs emulated, by ${emulator(platform)}` };
  }
  return {
    topic,
    status: "limited",
    found: "is built, but does not run here: no emulator is registered (binfmt_misc)",
    hint: emulatorHint,
  };
}

const install: Readonly<Record<string, string>> = {
  runc: "apt-get install runc",
  crun: "apt-get install crun",
  plain: "apt-get install util-linux",
};

async function examineDrivers(environment: Environment, privilege: Privilege): Promise<Finding[]> {
  const reports = await surveyDrivers(environment, privilege);
  const used = reports.find(({ driver }) => driver !== undefined)?.name;
  return Promise.all(reports.map((report) => examineDriver(report, used)));
}

async function examineDriver(
  { name, path, driver, note }: DriverReport,
  used: DriverName | undefined,
): Promise<Finding> {
  const version = path === undefined ? "" : await versionOf(path);
  const notes = [version, name === used ? "used" : "", note ?? "", ...(driver?.lacks ?? [])];
  const found = notes.filter((text) => text !== "").join("; ");
  const hint = install[name];
  if (driver === undefined) {
    const status = used === undefined ? "missing" : "limited";
    return { topic: name, status, found, ...(path === undefined && hint !== undefined ? { hint } : {}) };
  }
  // The plain way works, but something better is one line away.
  if (used === "plain") return { topic: name, status: "limited", found, hint: "apt-get install runc" };
  return { topic: name, status: "ok", found };
}

async function versionOf(path: string): Promise<string> {
  const { stdout } = await promisify(execFile)(path, ["--version"]).catch(() => ({ stdout: "" }));
  const version = /version\s+(\S+)/.exec(stdout)?.[1];
  return version === undefined ? path : `${path} ${version}`;
}

async function examinePrivilege(privilege: Privilege): Promise<Finding> {
  const topic = "user namespaces";
  if (privilege === "root") return { topic, status: "ok", found: "not needed: this is root" };
  if (!(await canMakeNamespace(privilege))) {
    return {
      topic,
      status: "missing",
      found: "an ordinary user may not make them here",
      hint: allowHint,
    };
  }
  if (privilege === "subordinate") {
    return { topic, status: "ok", found: `with ${subordinateIds()} subordinate ids (subuid, subgid)` };
  }
  return {
    topic,
    status: "limited",
    found: "with a single id: no subordinate ids, or newuidmap is missing; a program sees one user only",
    hint: subordinateHint(),
  };
}

async function examineOverlay(privilege: Privilege): Promise<Finding> {
  const topic = "overlay file system";
  const directory = await mkdtemp(join(tmpdir(), "whittle-doctor-"));
  const options = privilege === "root" ? "" : "userxattr,";
  try {
    const works = await runQuietly([
      "unshare",
      ...userNamespaceOptions(privilege),
      "--mount",
      "--",
      "sh",
      "-c",
      `cd "$0" && mount -t tmpfs tmpfs . && cd "$0" && mkdir l u w m && mount -t overlay overlay -o ${options}lowerdir=l,upperdir=u,workdir=w m`,
      directory,
    ]);
    return works === 0
      ? { topic, status: "ok", found: "works" }
      : { topic, status: "limited", ...withoutOverlay(privilege) };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function withoutOverlay(privilege: Privilege): Pick<Finding, "found" | "hint"> {
  const found = "not allowed: each container and each RUN copies its image's files";
  return privilege === "root"
    ? { found, hint: "modprobe overlay" }
    : { found: `${found}; Linux 5.11 and newer allow it to ordinary users` };
}

async function examineCgroups(environment: Environment, privilege: Privilege): Promise<Finding> {
  const topic = "control groups";
  const names = { v2: "version 2", v1: "version 1", hybrid: "version 1 and 2 side by side", none: "none" };
  const found = names[cgroupMode()];
  const driver = (await surveyDrivers(environment, privilege)).find((report) => report.driver !== undefined);
  if (privilege !== "root") {
    return {
      topic,
      status: "limited",
      found: `${found}; an ordinary user's containers have no limits of memory and processors`,
    };
  }
  return driver?.name === "plain" || cgroupMode() === "none"
    ? { topic, status: "limited", found: `${found}; containers have no limits of memory and processors` }
    : { topic, status: "ok", found };
}

async function examineTools(environment: Environment): Promise<Finding> {
  const names = ["unshare", "nsenter", "mount", "script"];
  const found = await Promise.all(names.map((name) => findProgram(name, environment)));
  const missing = names.filter((_, index) => found[index] === undefined);
  return missing.length === 0
    ? { topic: "util-linux", status: "ok", found: names.join(", ") }
    : {
        topic: "util-linux",
        status: missing.includes("script") && missing.length === 1 ? "limited" : "missing",
        found: `without ${missing.join(", ")}`,
        hint: missing.includes("script")
          ? "apt-get install util-linux bsdutils"
          : "apt-get install util-linux",
      };
}

async function examineInit(environment: Environment): Promise<Finding> {
  const topic = "reaper for --init";
  return findInit(environment).then(
    (path): Finding => ({ topic, status: "ok", found: path }),
    (): Finding => ({ topic, status: "limited", found: "none", hint: "apt-get install tini" }),
  );
}
