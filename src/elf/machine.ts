/** Word size and byte order with which a file is to be read. */
export interface Encoding {
  readonly bits: 32 | 64;
  readonly order: "little" | "big";
}

/** What an ELF header says of the machine that the file is for. */
export interface ElfMachine extends Encoding {
  /** `e_machine`. */
  readonly machine: number;
  /** `e_flags`, whose meaning is the machine's own. */
  readonly flags: number;
}

/** The part of an OCI platform that decides about ELF files. */
export interface MachinePlatform {
  readonly architecture: string;
  readonly variant?: string;
}

/** One of the machines that Debian is, or was, built for. */
export interface Machine extends Encoding {
  readonly machine: number;
  /** GOARCH name, as OCI platforms write it. */
  readonly architecture: string;
  /** Debian's multiarch triplet, which is a directory below `/lib` and `/usr/lib`. */
  readonly triplet: string;
  /** Path of glibc's dynamic loader by the machine's ABI. */
  readonly loader: string;
  /** What `$PLATFORM` stands for on the oldest processor that Debian supports (`AT_PLATFORM`). */
  readonly platform: string;
  /** Tells apart what shares number, word size and byte order, by `e_flags`. */
  readonly accepts?: (flags: number) => boolean;
  /** OCI variants that this machine stands for; absent means all. */
  readonly variants?: readonly string[];
}

const little64 = { bits: 64, order: "little" } as const;
const little32 = { bits: 32, order: "little" } as const;
const big64 = { bits: 64, order: "big" } as const;
const big32 = { bits: 32, order: "big" } as const;

// ELF for the Arm Architecture, "ELF header": EF_ARM_ABI_FLOAT_SOFT and EF_ARM_ABI_FLOAT_HARD.
const armSoftFloat = 0x200;
const armHardFloat = 0x400;
// MIPS: EF_MIPS_ABI2 marks n32, which is a 32-bit ABI of its own.
const mipsN32 = 0x20;

function machine(
  number: number,
  encoding: Encoding,
  names: readonly [architecture: string, triplet: string, loader: string, platform: string],
  rest: Pick<Machine, "accepts" | "variants"> = {},
): Machine {
  const [architecture, triplet, loader, platform] = names;
  return { machine: number, ...encoding, architecture, triplet, loader, platform, ...rest };
}

/**
 * All machines that are known, from the `e_machine` registry of the System V ABI, Debian's table of multiarch
 * triplets and glibc's `ABIList`. Of two that accept the same file the first one is meant.
 */
export const machines: readonly Machine[] = [
  machine(62, little64, ["amd64", "x86_64-linux-gnu", "/lib64/ld-linux-x86-64.so.2", "x86_64"]),
  machine(62, little32, ["x32", "x86_64-linux-gnux32", "/libx32/ld-linux-x32.so.2", "x86_64"]),
  machine(3, little32, ["386", "i386-linux-gnu", "/lib/ld-linux.so.2", "i686"]),
  machine(40, little32, ["arm", "arm-linux-gnueabihf", "/lib/ld-linux-armhf.so.3", "v7l"], {
    accepts: (flags) => (flags & armSoftFloat) === 0,
    variants: ["v7", "v8"],
  }),
  machine(40, little32, ["arm", "arm-linux-gnueabi", "/lib/ld-linux.so.3", "v5l"], {
    accepts: (flags) => (flags & armHardFloat) === 0,
    variants: ["v5", "v6"],
  }),
  machine(183, little64, ["arm64", "aarch64-linux-gnu", "/lib/ld-linux-aarch64.so.1", "aarch64"]),
  machine(8, little64, ["mips64le", "mips64el-linux-gnuabi64", "/lib64/ld.so.1", "mips64r2"]),
  machine(8, little32, ["mipsle", "mipsel-linux-gnu", "/lib/ld.so.1", "mips32r2"], {
    accepts: (flags) => (flags & mipsN32) === 0,
  }),
  machine(8, big64, ["mips64", "mips64-linux-gnuabi64", "/lib64/ld.so.1", "mips64r2"]),
  machine(8, big32, ["mips", "mips-linux-gnu", "/lib/ld.so.1", "mips32r2"], {
    accepts: (flags) => (flags & mipsN32) === 0,
  }),
  machine(21, little64, ["ppc64le", "powerpc64le-linux-gnu", "/lib64/ld64.so.2", "power8"]),
  machine(21, big64, ["ppc64", "powerpc64-linux-gnu", "/lib64/ld64.so.1", "power4"]),
  machine(20, big32, ["ppc", "powerpc-linux-gnu", "/lib/ld.so.1", "powerpc"]),
  machine(22, big64, ["s390x", "s390x-linux-gnu", "/lib/ld64.so.1", "z10"]),
  machine(243, little64, ["riscv64", "riscv64-linux-gnu", "/lib/ld-linux-riscv64-lp64d.so.1", "riscv64"]),
  machine(258, little64, [
    "loong64",
    "loongarch64-linux-gnu",
    "/lib64/ld-linux-loongarch-lp64d.so.1",
    "loongarch",
  ]),
  machine(43, big64, ["sparc64", "sparc64-linux-gnu", "/lib64/ld-linux.so.2", "sparcv9"]),
  machine(0x9026, little64, ["alpha", "alpha-linux-gnu", "/lib/ld-linux.so.2", "ev4"]),
  machine(15, big32, ["hppa", "hppa-linux-gnu", "/lib/ld.so.1", "parisc"]),
  machine(4, big32, ["m68k", "m68k-linux-gnu", "/lib/ld.so.1", "m68k"]),
  machine(42, little32, ["sh4", "sh4-linux-gnu", "/lib/ld-linux.so.2", "sh4"]),
];

// glibc, sysdeps/generic/ldconfig.h; machines that are not listed have none.
const cacheBits: Readonly<Record<string, number>> = {
  "x86_64-linux-gnu": 0x0300,
  "x86_64-linux-gnux32": 0x0800,
  "arm-linux-gnueabihf": 0x0900,
  "arm-linux-gnueabi": 0x0b00,
  "aarch64-linux-gnu": 0x0a00,
  "mips64el-linux-gnuabi64": 0x0700,
  "mips64-linux-gnuabi64": 0x0700,
  "powerpc64le-linux-gnu": 0x0500,
  "powerpc64-linux-gnu": 0x0500,
  "s390x-linux-gnu": 0x0400,
  "riscv64-linux-gnu": 0x1000,
  "loongarch64-linux-gnu": 0x1200,
  "sparc64-linux-gnu": 0x0100,
};

/** How `ld.so.cache` marks a library of a machine: an ELF library for glibc, and the machine's own bits. */
export function cacheFlags(machine: Machine): number {
  return 3 | (cacheBits[machine.triplet] ?? 0);
}

/** Whether a file is of this machine. */
function isOf(elf: ElfMachine, candidate: Machine): boolean {
  return (
    elf.machine === candidate.machine &&
    elf.bits === candidate.bits &&
    elf.order === candidate.order &&
    (candidate.accepts?.(elf.flags) ?? true)
  );
}

/** The machine that a file is for; `undefined` when it is none of the known. */
export function machineOf(elf: ElfMachine): Machine | undefined {
  return machines.find((candidate) => isOf(elf, candidate));
}

/**
 * Whether an ELF file is for a platform: number, word size, byte order and, where a platform's variants differ
 * in it, the floating-point ABI. A platform that is not known matches nothing.
 */
export function machineMatches(elf: ElfMachine, platform: MachinePlatform): boolean {
  return machines.some(
    (candidate) =>
      candidate.architecture === platform.architecture &&
      (platform.variant === undefined ||
        candidate.variants === undefined ||
        candidate.variants.includes(platform.variant)) &&
      isOf(elf, candidate),
  );
}
