import { readdirSync } from "node:fs";
import { formatPlatform, hostPlatform, type Platform } from "../image/index.ts";
import { WhittleError } from "../io/index.ts";
import { readOr } from "./machine.ts";

const registry = "/proc/sys/fs/binfmt_misc";

/** The names that QEMU gives the machines of our platforms. */
const qemuNames: Readonly<Record<string, string>> = {
  amd64: "x86_64",
  "386": "i386",
  arm64: "aarch64",
  arm: "arm",
  ppc64le: "ppc64le",
  s390x: "s390x",
  riscv64: "riscv64",
  mips64le: "mips64el",
  loong64: "loongarch64",
};

/** How programs of a platform run on this machine. */
export type Execution = "native" | "emulated" | "impossible";

/** Finds out how programs of a platform run here: by the processor, by a registered emulator, or not at all. */
export function executionOf(platform: Platform): Execution {
  const host = hostPlatform();
  if (platform.os !== "linux") return "impossible";
  if (platform.architecture === host.architecture) return "native";
  if (platform.architecture === "386" && host.architecture === "amd64") return "native";
  return emulator(platform) === undefined ? "impossible" : "emulated";
}

/** The name under which an emulator for a platform is registered and enabled (Linux's binfmt-misc.rst). */
export function emulator(platform: Platform): string | undefined {
  const machine = qemuNames[platform.architecture];
  return registered().find((name) => {
    if (name !== `qemu-${machine}` && name !== machine) return false;
    const text = readOr(`${registry}/${name}`, "");
    // Without F the interpreter would be looked up inside the container, where it is not.
    return text.startsWith("enabled") && /^flags:.*F/m.test(text);
  });
}

/**
 * Makes sure that a platform's programs can run here.
 *
 * @throws WhittleError `ENVIRONMENT` that says how to make it so
 */
export function requireExecutable(platform: Platform, image: string): void {
  if (executionOf(platform) !== "impossible") return;
  const name = formatPlatform(platform);
  throw new WhittleError(
    "ENVIRONMENT",
    `Cannot run ${image}: it is for ${name}, this machine is ${formatPlatform(hostPlatform())} and has no emulator registered for it`,
    { hint: emulatorHint },
  );
}

/** The one line that gets emulators. */
export const emulatorHint = "apt-get install qemu-user-static binfmt-support";

function registered(): string[] {
  try {
    return readdirSync(registry);
  } catch {
    return [];
  }
}
