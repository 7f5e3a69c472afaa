import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { apiSimulatorCases } from "./api-simulator.ts";
import { bootstrapCases } from "./bootstrap.ts";
import type { Case } from "./case.ts";
import { dockerfileCases } from "./dockerfile.ts";
import { exampleCases } from "./examples.ts";
import { measure, median, type Run } from "./measure.ts";
import { findPeers } from "./peer.ts";
import { registryCases } from "./registries.ts";
import { makeWorkplace } from "./workplace.ts";

// npm run bench [-- --rounds N] [--only WORDS]: every case several times, contestants in turn (A B A B …), so that a
// machine whose speed drifts is unfair to nobody. Prints medians and ratios as a Markdown table.
//
// Peers are found on the PATH; BENCH_PEER_PREFIX runs them through another program (a chroot, say), and
// BENCH_WORK is a directory that both can see. Dockerfiles are measured where BENCH_BASE names a tar with the root of
// debian:trixie-slim, which everybody builds on.
const option = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};
const rounds = Number(option("rounds") ?? 5);
const only = option("only");
const prefix = (process.env["BENCH_PEER_PREFIX"] ?? "").split(" ").filter((word) => word !== "");

async function runCase(one: Case): Promise<string[]> {
  const results = new Map<string, Run[]>(one.contestants.map((contestant) => [contestant.name, []]));
  await one.make?.();
  for (let round = 0; round <= rounds; round++) {
    for (const contestant of one.contestants) {
      await contestant.prepare?.(round);
      const run = await measure(contestant.command(round));
      // The first round warms caches of the operating system and is not counted.
      if (round > 0) results.get(contestant.name)?.push(run);
    }
  }
  const ours = one.contestants[0];
  const base = median(results.get(ours?.name ?? "")?.map((run) => run.wall) ?? []);
  return one.contestants.map((contestant) => {
    const runs = results.get(contestant.name) ?? [];
    const walls = runs.map((run) => run.wall);
    const wall = median(walls);
    const ratio = contestant === ours ? "" : (base / wall).toFixed(2);
    const peak =
      contestant === ours ? `${(Math.max(...runs.map((run) => run.peak)) / 1e6).toFixed(0)} MB` : "";
    const range = `${Math.min(...walls).toFixed(0)}–${Math.max(...walls).toFixed(0)}`;
    return `| ${one.name} | ${contestant.name} | ${wall.toFixed(0)} ms | ${range} | ${ratio} | ${peak} |`;
  });
}

async function runCases(cases: readonly Case[]): Promise<void> {
  for (const one of cases) {
    if (only !== undefined && !one.name.includes(only)) continue;
    for (const line of await runCase(one)) process.stdout.write(`${line}\n`);
  }
}

const work = await makeWorkplace(process.env["BENCH_WORK"]);
const peers = findPeers(prefix);
process.stdout.write(
  `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}; ` +
    `docker ${peers.docker ? "yes" : "no"}, buildah ${peers.buildah ? "yes" : "no"}; ${rounds} rounds, medians\n\n` +
    "| case | who | wall | range | ours / theirs | peak memory |\n|---|---|--:|--:|--:|--:|\n",
);
const base = process.env["BENCH_BASE"];
try {
  // Those of the API simulator and of full systems build something before they are asked for.
  const elsewhere = only !== undefined && /^(?:Dockerfile|example|registries)/.test(only);
  if (only === undefined || /^registries/.test(only)) {
    const { cases, stop } = await registryCases(work);
    try {
      await runCases(cases);
    } finally {
      await stop();
    }
  }
  const cases = [
    ...(elsewhere || only?.startsWith("full system") === true ? [] : await apiSimulatorCases(work, peers)),
    ...(only === undefined || only.startsWith("full system") ? await bootstrapCases(work) : []),
    ...exampleCases(work, peers),
    ...(base === undefined || only?.startsWith("example") === true
      ? []
      : await dockerfileCases(work, peers, base)),
  ];
  await runCases(cases);
} finally {
  await work.remove();
}
process.stdout.write(
  `\nMade by: npm run bench (in ${join(import.meta.dirname, "..")
    .split("/")
    .at(-1)})\n`,
);
