import type { Case, Contestant } from "./case.ts";
import { measure } from "./measure.ts";
import { type PeerBuild, type Peers, peerBuilds, peersWith } from "./peer.ts";
import type { Workplace } from "./workplace.ts";

const native = ["--platform", "linux/amd64"];

/**
 * The API simulator: with nothing but downloads, cold (packages are unpacked and their files deflated, the store is
 * empty), for all platforms, unchanged, and with one JSON file changed.
 */
export async function apiSimulatorCases(work: Workplace, installed: Peers): Promise<Case[]> {
  const peers = peersWith(installed, "debian:bookworm-slim");
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
  const others = (flags: readonly string[], prepare?: PeerBuild["prepare"]): Contestant[] =>
    peerBuilds(peers, {
      name: "bench:1",
      context: work.example,
      network: "host",
      flags,
      ...(prepare === undefined ? {} : { prepare }),
    });
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
      contestants: [ours("whittle", native, () => work.emptyStore()), ...others(["--no-cache"])],
    },
    {
      name: "cold, all platforms (against our one)",
      contestants: [
        ours("whittle, all", [], () => work.emptyStore()),
        ours("whittle, one", native, () => work.emptyStore()),
      ],
    },
    { name: "nothing changed", contestants: [ours("whittle", native, warm), ...others([])] },
    {
      name: "one JSON file changed",
      contestants: [
        ours("whittle", native, (round) => work.touch(round)),
        ...others([], (round) => work.touch(round)),
      ],
    },
  ];
}
