import { WhittleError } from "../io/index.ts";
import type { Platform } from "./types.ts";

/** Names that are an operating system's when they stand alone (containerd, platforms/database.go). */
const systems: ReadonlySet<string> = new Set(
  "aix android darwin dragonfly freebsd illumos linux macos netbsd openbsd plan9 solaris windows".split(" "),
);

/**
 * A platform as people write it: `linux/arm/v7`, `linux/amd64`, an architecture alone, for which the operating system
 * is `linux`, or an operating system alone, for which the architecture is this machine's. The answer is normalised.
 *
 * @throws WhittleError `PLATFORM_UNSUPPORTED` when it has not that form
 */
export function parsePlatform(text: string): Platform {
  // `windows(10.0.20348.2227)/amd64`, as containerd writes the version of an operating system.
  const version = /^([A-Za-z0-9_.-]+)\(([A-Za-z0-9_.-]{1,64})\)(?=\/)/.exec(text.trim());
  if (version?.[1] !== undefined && version[2] !== undefined) {
    const rest = text.trim().slice(version[0].length);
    return { ...parsePlatform(`${version[1]}${rest}`), "os.version": version[2] };
  }
  const parts = text.trim().split("/");
  if (parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_.-]{1,64}$/.test(part))) {
    throw new WhittleError(
      "PLATFORM_UNSUPPORTED",
      `Cannot read the platform "${text.slice(0, 100)}": it is not of the form OS/ARCHITECTURE[/VARIANT]`,
      { hint: `for example ${allPlatforms.slice(0, 3).map(formatPlatform).join(", ")}` },
    );
  }
  const [first = "", second, variant] = parts;
  if (second === undefined) {
    if (!systems.has(first.toLowerCase())) return normalizePlatform({ os: "linux", architecture: first });
    return normalizePlatform({ ...hostPlatform(), os: first });
  }
  return normalizePlatform({
    os: first,
    architecture: second,
    ...(variant === undefined ? {} : { variant }),
  });
}

/** `linux/arm/v7`; a variant that goes without saying (`arm64/v8`, `amd64/v1`) is left out. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = normalizePlatform(platform);
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/**
 * One spelling for each platform, as containerd's `platforms.Normalize` has it: other names of an architecture
 * become Go's, `arm` without a variant is `v7`, and `arm64/v8` and `amd64/v1` lose their variant.
 */
export function normalizePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase();
  const [architecture, variant] = normalArchitecture(
    platform.architecture.toLowerCase(),
    platform.variant?.toLowerCase() ?? "",
  );
  const { variant: _variant, ...rest } = platform;
  return {
    ...rest,
    os: os === "macos" ? "darwin" : os,
    architecture,
    ...(variant === "" ? {} : { variant }),
  };
}

function normalArchitecture(architecture: string, variant: string): [string, string] {
  switch (architecture) {
    case "i386":
    case "i686":
      return ["386", ""];
    case "x86_64":
    case "x86-64":
    case "amd64":
      return ["amd64", variant === "v1" ? "" : variant];
    case "aarch64":
    case "arm64":
      return ["arm64", ["8", "v8", "v8.0"].includes(variant) ? "" : variant];
    case "armhf":
      return ["arm", "v7"];
    case "armel":
      return ["arm", "v6"];
    case "arm":
      if (variant === "" || variant === "7") return ["arm", "v7"];
      return ["arm", /^[568]$/.test(variant) ? `v${variant}` : variant];
    case "loongarch64":
      return ["loong64", variant];
    default:
      return [architecture, variant];
  }
}

/**
 * The platform as configs and indexes carry it: like the normal form, but `arm64` says `v8`, which is the value
 * that the image-spec's table of variants gives and that published images have.
 */
export function statedPlatform(platform: Platform): Platform {
  const normal = normalizePlatform(platform);
  return normal.architecture === "arm64" && normal.variant === undefined
    ? { ...normal, variant: "v8" }
    : normal;
}

/** Whether two platforms are the same one, however they are spelled. */
export function matchPlatform(a: Platform, b: Platform): boolean {
  return formatPlatform(a) === formatPlatform(b);
}

/**
 * The candidate that serves a wanted platform best: the same one, else for 32-bit ARM the next older variant,
 * which runs on a newer processor but not the other way round.
 */
export function choosePlatform<T extends { readonly platform: Platform }>(
  wanted: Platform,
  candidates: readonly T[],
): T | undefined {
  for (const acceptable of acceptablePlatforms(normalizePlatform(wanted))) {
    const found = candidates.find((candidate) => matchPlatform(candidate.platform, acceptable));
    if (found !== undefined) return found;
  }
  return undefined;
}

function acceptablePlatforms(wanted: Platform): Platform[] {
  const newest = wanted.architecture === "arm" ? /^v([5-8])$/.exec(wanted.variant ?? "")?.[1] : undefined;
  if (newest === undefined) return [wanted];
  const variants = [8, 7, 6, 5].filter((variant) => variant <= Number(newest));
  return variants.map((variant) => ({ ...wanted, variant: `v${variant}` }));
}

/** The platform of the machine that this runs on; the operating system is always Linux, whose images we make. */
export function hostPlatform(): Platform {
  const names: Partial<Record<NodeJS.Architecture, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" };
  const architecture = names[process.arch] ?? process.arch;
  if (architecture !== "arm") return normalizePlatform({ os: "linux", architecture });
  const { arm_version } = process.config.variables as { readonly arm_version?: string | number };
  return normalizePlatform({ os: "linux", architecture, variant: `v${arm_version ?? 7}` });
}

const debianNames: Readonly<Record<string, string>> = {
  "linux/amd64": "amd64",
  "linux/arm64": "arm64",
  "linux/arm/v7": "armhf",
  "linux/arm/v6": "armel",
  "linux/arm/v5": "armel",
  "linux/386": "i386",
  "linux/ppc64le": "ppc64el",
  "linux/s390x": "s390x",
  "linux/riscv64": "riscv64",
  "linux/mips64le": "mips64el",
  "linux/loong64": "loong64",
};

/** Every platform for which there are Debian packages, in the order in which tables show them. */
export const allPlatforms: readonly Platform[] = Object.keys(debianNames).map((name) => {
  const [os = "", architecture = "", variant] = name.split("/");
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
});

/**
 * The Debian architecture whose packages run on a platform. `armel` (ARMv5T, soft float) serves `arm/v5` and
 * `arm/v6`, because Debian's `armhf` needs ARMv7.
 *
 * @throws WhittleError `PLATFORM_UNSUPPORTED`, listing the possible ones
 */
export function debianArchitecture(platform: Platform): string {
  const name = formatPlatform(platform);
  const architecture = debianNames[name];
  if (architecture !== undefined) return architecture;
  throw new WhittleError(
    "PLATFORM_UNSUPPORTED",
    `Cannot use Debian packages for ${name}: Debian has no such architecture`,
    { hint: `possible platforms: ${Object.keys(debianNames).join(", ")}` },
  );
}
