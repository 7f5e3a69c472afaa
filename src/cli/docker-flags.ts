import { type Command, Option } from "commander";
import { type Progress, WhittleError } from "../io/index.ts";
import { truthOf } from "./boolean-flags.ts";
import { repeated } from "./options.ts";

/** Flags of `docker build` that scripts bring along and that say nothing new here. */
export interface DockerFlags {
  readonly attest: readonly string[];
  readonly provenance?: string;
  readonly sbom?: string;
  readonly cgroupParent?: string;
  readonly cpuPeriod?: string;
  readonly cpuQuota?: string;
  readonly cpuShares?: string;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly isolation?: string;
  readonly memory?: string;
  readonly memorySwap?: string;
  readonly securityOpt: readonly string[];
  readonly squash?: boolean;
}

/** Adds them; help does not show them. */
export function addDockerFlags(command: Command): void {
  const hide = (flags: string): Option => new Option(flags).hideHelp();
  const lists = ["--attest <spec>", "--security-opt <option>"];
  for (const flags of lists) command.addOption(hide(flags).argParser(repeated).default([]));
  const values = [
    ...["--provenance <spec>", "--sbom <spec>", "--builder <name>", "--cgroup-parent <cgroup>"],
    ...["-c, --cpu-shares <number>", "--cpu-period <number>", "--cpu-quota <number>"],
    ...["--cpuset-cpus <list>", "--cpuset-mems <list>", "--isolation <technology>"],
    ...["-m, --memory <bytes>", "--memory-swap <bytes>"],
  ];
  for (const flags of values) command.addOption(hide(flags));
  const switches = ["--compress", "--rm", "--force-rm", "--squash", "-D, --debug"];
  for (const flags of switches) command.addOption(hide(flags));
}

/** Those that would change what comes out or what RUN may use, with what to do instead. */
const withoutEffect: readonly (readonly [keyof DockerFlags, string, string])[] = [
  ["squash", "--squash", "a stage that copies from another one makes one layer"],
  ["isolation", "--isolation", "RUN is always in a container"],
  ["securityOpt", "--security-opt", "--allow security.insecure is for RUN --security=insecure"],
  ["cgroupParent", "--cgroup-parent", "run the build itself in the cgroup"],
  ...(
    [
      ["memory", "--memory"],
      ["memorySwap", "--memory-swap"],
      ["cpuShares", "--cpu-shares"],
      ["cpuPeriod", "--cpu-period"],
      ["cpuQuota", "--cpu-quota"],
      ["cpusetCpus", "--cpuset-cpus"],
      ["cpusetMems", "--cpuset-mems"],
    ] as const
  ).map(([key, flag]) => [key, flag, "limit the build itself, as with systemd-run"] as const),
];

/**
 * Warns of those that were given and count for nothing, as docker does since it builds with BuildKit.
 *
 * @throws WhittleError `USAGE` when attestations are wanted: an image that lacks them would pass for one that has them
 */
export function heedDockerFlags(flags: DockerFlags, progress: Progress): void {
  requireNoAttestation(flags);
  for (const [key, flag, instead] of withoutEffect) {
    const given = flags[key];
    if (given === undefined || (Array.isArray(given) && given.length === 0)) continue;
    progress({ kind: "warning", text: `${flag} has no effect: ${instead}` });
  }
}

function requireNoAttestation({ attest, provenance, sbom }: DockerFlags): void {
  const wanted = [
    ...(provenance === undefined || truthOf(provenance) === false ? [] : [`--provenance=${provenance}`]),
    ...(sbom === undefined || truthOf(sbom) === false ? [] : [`--sbom=${sbom}`]),
    ...attest.filter((spec) => !disabled(spec)).map((spec) => `--attest ${spec}`),
  ];
  if (wanted.length === 0) return;
  throw new WhittleError("USAGE", `Cannot attest to the image (${wanted[0]}): builds write no attestations`, {
    hint: "without the flag, or with --provenance=false and --sbom=false, the image is built",
  });
}

/** `type=provenance,disabled=true` */
function disabled(spec: string): boolean {
  return spec.split(",").some((part) => {
    const [key, value = ""] = part.split("=", 2);
    return key?.trim() === "disabled" && truthOf(value) === true;
  });
}
