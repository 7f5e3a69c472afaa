import { spawnSync } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Case, Contestant } from "./case.ts";
import { measure } from "./measure.ts";
import type { Workplace } from "./workplace.ts";

/**
 * A full system with apt: with nothing but downloads, and with an empty store. mmdebstrap keeps its downloads as well,
 * in the way that its manual shows; what it writes is not compressed, ours is.
 */
export async function bootstrapCases(work: Workplace): Promise<Case[]> {
  const bootstrap = ["bootstrap", "trixie", "-t", "bench:1"] as const;
  await measure(work.whittle(...bootstrap));
  const peers: Contestant[] = [];
  if (spawnSync("mmdebstrap", ["--version"]).status === 0) {
    const downloads = join(work.directory, "archives");
    const system = join(work.directory, "system.tar");
    await mkdir(downloads);
    peers.push({
      name: "mmdebstrap --variant=minbase",
      prepare: () => rm(system, { force: true }),
      command: () => ({
        words: [
          "mmdebstrap",
          "--quiet",
          "--variant=minbase",
          "--skip=download/empty",
          "--skip=essential/unlink",
          '--setup-hook=mkdir -p "$1"/var/cache/apt/archives/',
          `--setup-hook=sync-in ${downloads} /var/cache/apt/archives/`,
          `--customize-hook=sync-out /var/cache/apt/archives ${downloads}`,
          "trixie",
          system,
        ],
      }),
    });
  }
  return [
    {
      name: "full system, first ever",
      contestants: [
        {
          name: "whittle bootstrap, nothing unpacked",
          prepare: () => work.onlyDownloads(),
          command: () => work.whittleFirst(...bootstrap),
        },
        ...peers,
      ],
    },
    {
      name: "full system, cold",
      contestants: [
        {
          name: "whittle bootstrap, cold",
          prepare: () => work.emptyStore(),
          command: () => work.whittle(...bootstrap),
        },
        ...peers,
      ],
    },
    {
      name: "full system, nothing changed",
      contestants: [{ name: "whittle bootstrap", command: () => work.whittle(...bootstrap) }, ...peers],
    },
  ];
}
