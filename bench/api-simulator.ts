import type { Case, Contestant } from "./case.ts";
import { measure } from "./measure.ts";
import type { Workplace } from "./workplace.ts";

/** Which peers this machine has, and how they are run. */
export interface Peers {
  readonly prefix: readonly string[];
  readonly docker: boolean;
  readonly buildah: boolean;
}

const native = ["--platform", "linux/amd64"];

/**
 * The API simulator: with nothing but downloads, cold (packages are unpacked and their files deflated, the store is
 * empty), for all platforms, unchanged, and with one JSON file changed.
 */
export async function apiSimulatorCases(work: Workplace, peers: Peers): Promise<Case[]> {
  // Downloads are warm in every case: a first build brings them.
  await measure(work.whittle("build", work.example, "-t", "bench:1"));
  const ours = (
    name: string,
    platforms: readonly string[],
    prepare: (round: number) => Promise<void>,
  ): Contestant => ({
    name,
    prepare,
    command: () => work.whittle("build", work.example, ...platforms, "-t", "bench:1"),
  });
  const docker = (flags: readonly string[], prepare?: Contestant["prepare"]): Contestant[] =>
    peers.docker
      ? [
          peer(
            "docker buildx",
            peers,
            ["docker", "buildx", "build", "--network=host", "-q", "-t", "bench:1", ...flags, work.example],
            prepare,
          ),
        ]
      : [];
  const buildah = (flags: readonly string[], prepare?: Contestant["prepare"]): Contestant[] =>
    peers.buildah
      ? [
          peer(
            "buildah",
            peers,
            [
              "buildah",
              "build",
              "-q",
              "--pull=never",
              "--layers",
              "--jobs",
              "2",
              "-t",
              "bench:1",
              ...flags,
              work.example,
            ],
            prepare,
          ),
        ]
      : [];
  const warm = async (): Promise<void> => undefined;
  const first = (name: string, platforms: readonly string[]): Contestant => ({
    name,
    prepare: () => work.onlyDownloads(),
    command: () => work.whittleFirst("build", work.example, ...platforms, "-t", "bench:1"),
  });
  return [
    {
      name: "first ever, one platform (against cold)",
      contestants: [
        first("whittle, nothing unpacked", native),
        ours("whittle, cold", native, () => work.emptyStore()),
      ],
    },
    {
      name: "first ever, all platforms (against cold)",
      contestants: [
        first("whittle, nothing unpacked", []),
        ours("whittle, cold", [], () => work.emptyStore()),
      ],
    },
    {
      name: "cold, one platform",
      contestants: [
        ours("whittle", native, () => work.emptyStore()),
        ...docker(["--no-cache"]),
        ...buildah(["--no-cache"]),
      ],
    },
    {
      name: "cold, all platforms (against our one)",
      contestants: [
        ours("whittle, all", [], () => work.emptyStore()),
        ours("whittle, one", native, () => work.emptyStore()),
      ],
    },
    { name: "nothing changed", contestants: [ours("whittle", native, warm), ...docker([]), ...buildah([])] },
    {
      name: "one JSON file changed",
      contestants: [
        ours("whittle", native, (round) => work.touch(round)),
        ...docker([], (round) => work.touch(round)),
        ...buildah([], (round) => work.touch(round)),
      ],
    },
  ];
}

function peer(
  name: string,
  peers: Peers,
  words: readonly [string, ...string[]],
  prepare: Contestant["prepare"],
): Contestant {
  return {
    name,
    ...(prepare === undefined ? {} : { prepare }),
    command: () => ({ words: [...peers.prefix, ...words] as [string, ...string[]] }),
  };
}
