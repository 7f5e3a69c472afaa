import { formatPlatform, normalizePlatform, type Platform } from "../../image/index.ts";

/** Arguments that may be given without an ARG and count for no key: where proxies are. */
export const proxyNames: readonly string[] = [
  "http_proxy",
  "https_proxy",
  "ftp_proxy",
  "no_proxy",
  "all_proxy",
];

/** The arguments that every Dockerfile has in its global scope (Dockerfile reference, "Automatic platform ARGs"). */
export function platformArguments(
  buildPlatform: Platform,
  targetPlatform: Platform,
  targetStage: string,
): Map<string, string> {
  return new Map([
    ...ofPlatform("BUILD", buildPlatform),
    ...ofPlatform("TARGET", targetPlatform),
    ["TARGETSTAGE", targetStage === "" ? "default" : targetStage] as const,
  ]);
}

function ofPlatform(prefix: string, platform: Platform): (readonly [string, string])[] {
  const { os, architecture, variant } = normalizePlatform(platform);
  return [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, os],
    [`${prefix}OSVERSION`, platform["os.version"] ?? ""],
    [`${prefix}ARCH`, architecture],
    [`${prefix}VARIANT`, variant ?? ""],
  ];
}

/** The proxies among build arguments as a program's environment has them, in both spellings. */
export function proxyEnvironment(buildArguments: ReadonlyMap<string, string>): string[] {
  return [...buildArguments].flatMap(([name, value]) =>
    proxyNames.includes(name.toLowerCase())
      ? [`${name.toUpperCase()}=${value}`, `${name.toLowerCase()}=${value}`]
      : [],
  );
}
