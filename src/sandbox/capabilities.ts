import { WhittleError } from "../io/index.ts";

/** Every capability by its number (capabilities(7), linux/capability.h). */
export const capabilityNames: readonly string[] = (
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE " +
  "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT " +
  "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE " +
  "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ " +
  "PERFMON BPF CHECKPOINT_RESTORE"
)
  .split(" ")
  .map((name) => `CAP_${name}`);

/** What a container may do when nothing else is said; the same set as Docker's. */
export const defaultCapabilities: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

/**
 * The capabilities of a container: the default set with `--cap-add` and `--cap-drop` applied as Docker does.
 * `ALL` stands for every capability; names are taken with or without `CAP_`, in any case.
 *
 * @param held - the capabilities that this process can pass on; what it lacks is left out
 * @returns in the kernel's order
 * @throws WhittleError `USAGE` for a name that is no capability
 */
export function chooseCapabilities(
  add: readonly string[],
  drop: readonly string[],
  held: readonly string[] = capabilityNames,
): string[] {
  const added = add.map(capabilityName);
  const dropped = drop.map(capabilityName);
  const base = added.includes("ALL") ? capabilityNames : dropped.includes("ALL") ? [] : defaultCapabilities;
  const chosen = new Set([...base, ...added]);
  for (const name of dropped) if (!added.includes(name)) chosen.delete(name);
  return capabilityNames.filter((name) => chosen.has(name) && held.includes(name));
}

/** Reads a set of capabilities as /proc/PID/status prints it: 16 hex digits. */
export function capabilitiesOfMask(mask: string): string[] {
  const bits = BigInt(`0x${mask}`);
  return capabilityNames.filter((_, bit) => (bits >> BigInt(bit)) & 1n);
}

/** The numbers of capabilities, as the kernel knows them. */
export function capabilityNumbers(names: readonly string[]): number[] {
  return names.map((name) => capabilityNames.indexOf(name)).filter((number) => number >= 0);
}

function capabilityName(text: string): string {
  const upper = text.toUpperCase();
  if (upper === "ALL") return upper;
  const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  if (capabilityNames.includes(name)) return name;
  throw new WhittleError("USAGE", `Cannot use the capability "${text}": Linux has none of that name`, {
    hint: "for example NET_ADMIN, SYS_PTRACE or ALL",
  });
}
