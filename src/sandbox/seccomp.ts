import { allowedSyscalls, architectureSyscalls, capabilitySyscalls } from "./seccomp-syscalls.ts";

/** A condition on an argument of a system call (runtime-spec, "Seccomp"). */
interface SeccompArgument {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: "SCMP_CMP_EQ" | "SCMP_CMP_NE" | "SCMP_CMP_MASKED_EQ";
}

interface SeccompRule {
  readonly names: readonly string[];
  readonly action: "SCMP_ACT_ALLOW" | "SCMP_ACT_ERRNO";
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArgument[];
}

/** The `linux.seccomp` member of a runtime configuration. */
export interface SeccompProfile {
  readonly defaultAction: "SCMP_ACT_ERRNO";
  readonly defaultErrnoRet: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

// An architecture comes with those whose programs its kernel runs as well.
const architectures: Readonly<Record<string, readonly string[]>> = {
  amd64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  "386": ["SCMP_ARCH_X86"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
  arm: ["SCMP_ARCH_ARM"],
  ppc64le: ["SCMP_ARCH_PPC64LE"],
  s390x: ["SCMP_ARCH_S390X", "SCMP_ARCH_S390"],
  riscv64: ["SCMP_ARCH_RISCV64"],
  mips64le: ["SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_MIPSEL"],
};

const notPermitted = 1;
const noSuchCall = 38;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET of clone(2). */
const namespaceFlags = 0x7e020000;
/** The values of personality(2) that ordinary programs ask for: Linux, Linux 32, UNAME26 of both, "query". */
const personalities = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];
const addressFamilyVsock = 40;

/**
 * Docker's default seccomp profile for the machine's own architecture: what is not on the list fails with EPERM.
 * Emulated programs make the system calls of the machine, so the machine's architecture is the one to give.
 *
 * @param architecture - as the image-spec spells it
 * @param capabilities - those of the container; some bring system calls with them
 * @returns nothing for an architecture that libseccomp does not know
 */
export function seccompProfile(
  architecture: string,
  capabilities: readonly string[],
): SeccompProfile | undefined {
  const known = architectures[architecture];
  if (known === undefined) return undefined;
  const syscalls: SeccompRule[] = [
    allow([...allowedSyscalls, ...(architectureSyscalls[architecture] ?? [])]),
    allow(["socket"], { index: 0, value: addressFamilyVsock, op: "SCMP_CMP_NE" }),
    ...personalities.map((value) => allow(["personality"], { index: 0, value, op: "SCMP_CMP_EQ" })),
  ];
  for (const [capability, names] of Object.entries(capabilitySyscalls)) {
    if (capabilities.includes(capability)) syscalls.push(allow(names));
  }
  if (!capabilities.includes("CAP_SYS_ADMIN")) {
    // clone may make threads and processes but no namespaces; s390 has the flags in the second argument.
    const index = architecture === "s390x" ? 1 : 0;
    syscalls.push(
      allow(["clone"], { index, value: namespaceFlags, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }),
      // The flags of clone3 are behind a pointer; "no such call" makes libc fall back to clone.
      { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: noSuchCall },
    );
  }
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: notPermitted,
    architectures: known,
    syscalls,
  };
}

function allow(names: readonly string[], ...args: readonly SeccompArgument[]): SeccompRule {
  return { names, action: "SCMP_ACT_ALLOW", ...(args.length === 0 ? {} : { args }) };
}
