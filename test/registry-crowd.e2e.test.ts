import { createHash, randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { quietWork } from "../src/io/index.ts";
import { openStore } from "../src/store/index.ts";
import { Dataset } from "./distribution/data.ts";
import { ask } from "./nginx-server.ts";
import { type run, start, temporary, whittle } from "./program.ts";
import type { Report } from "./registry-crowd-client.ts";
import { type RegistryProcess, whittleServe } from "./registry-servers.ts";

// 64 clients pull and 16 push at once; the server is killed twice meanwhile, and garbage is collected all the time.
// It takes 15 seconds; WHITTLE_CROWD_SECONDS=60 makes it the full minute.

const seconds = Number(process.env["WHITTLE_CROWD_SECONDS"] ?? 15);
const place = temporary();
const store = join(place, "store");
let registry: RegistryProcess | undefined;

afterEach(async () => {
  await registry?.stop();
  rmSync(place, { recursive: true, force: true });
});

const crowds = [
  ...[1, 2, 3, 4].map((at) => ({ mode: "pull", loops: 16, at })),
  ...[1, 2].map((at) => ({ mode: "push", loops: 8, at })),
];

it("64 clients pull and 16 push, through two deaths of the server and while garbage is collected", async () => {
  registry = await whittleServe(store);
  const { port } = registry;
  const image = new Dataset("crowd");
  image.tag(
    "1",
    image.image({ layers: [1_000_000, 300_000, 5000].map((size) => image.blob("a/b", randomBytes(size))) }),
  );
  await pushDataset(port, image);
  const script = join(import.meta.dirname, "registry-crowd-client.ts");
  const clients = crowds.map(({ mode, loops, at }) =>
    start([process.execPath, "--no-warnings", script, mode, String(port), String(loops), String(at)]),
  );
  let collecting = true;
  const collected = (async () => {
    const statuses: (number | null)[] = [];
    while (collecting) {
      const words = ["store", "gc", "--older-than", "0s", "--all"];
      const env = { ...process.env, XDG_CACHE_HOME: join(place, "cache") };
      statuses.push((await whittle(store, words, { env })).status);
      await sleep(300);
    }
    return statuses;
  })();
  let peak = 0;
  for (let kill = 0; kill < 2; kill++) {
    await sleep((seconds * 1000) / 3);
    peak = Math.max(peak, peakOf(registry.pid));
    await registry.stop("SIGKILL");
    registry = await whittleServe(store, [], port);
  }
  await sleep((seconds * 1000) / 3);
  peak = Math.max(peak, peakOf(registry.pid));
  for (const client of clients) client.kill("SIGTERM");
  const reports = await Promise.all(clients.map(async ({ finished }) => reportOf(await finished)));
  collecting = false;
  const collections = await collected;
  const sum = (of: (report: Report) => number): number =>
    reports.reduce((all, report) => all + of(report), 0);
  const acknowledged = reports.flatMap((report) => report.acknowledged);
  console.info(
    `${seconds} s: ${sum(({ done }) => done) - acknowledged.length} images pulled, ${acknowledged.length} pushed, ` +
      `${sum(({ broken }) => broken)} connections broken, ${collections.length} collections, ${Math.round(peak / 1e6)} MB at most`,
  );
  expect(reports.flatMap(({ wrong }) => wrong)).toEqual([]);
  for (const { done } of reports) expect(done).toBeGreaterThan(0);
  expect([...new Set(collections)]).toEqual([0]);
  for (const { name, digest } of acknowledged) await mustBeThere(port, name, digest);
  const whole = await whittle(store, ["store", "verify"]);
  expect(whole).toMatchObject({ status: 0, stdout: `${store} is whole\n` });
  expect(peak).toBeLessThan(400e6);
  // What nobody is about to name any more goes in the end.
  const left = await openStore(store);
  expect((await left.gc(quietWork)).removed).toEqual([]);
});

function reportOf({ status, stdout, stderr }: Awaited<ReturnType<typeof run>>): Report {
  expect(`${status} ${stderr}`).toBe("0 ");
  return JSON.parse(stdout) as Report;
}

async function pushDataset(port: number, data: Dataset): Promise<void> {
  const send = async (method: string, path: string, bytes: Buffer, type: string): Promise<void> => {
    const headers = { "content-length": String(bytes.length), "content-type": type };
    expect((await ask(port, method, `/v2/crowd/${path}`, headers, bytes)).status).toBe(201);
  };
  for (const [digest, bytes] of data.blobs) {
    await send("POST", `blobs/uploads/?digest=${digest}`, bytes, "application/octet-stream");
  }
  for (const [tag, digest] of data.tags) {
    const { bytes, mediaType } = data.manifests.get(digest) ?? { bytes: Buffer.alloc(0), mediaType: "" };
    await send("PUT", `manifests/${tag}`, bytes, mediaType);
  }
}

async function mustBeThere(port: number, name: string, digest: string): Promise<void> {
  const manifest = await ask(port, "GET", `/v2/crowd/manifests/${name}`);
  expect([manifest.status, manifest.headers["docker-content-digest"]]).toEqual([200, digest]);
  const { config, layers } = JSON.parse(manifest.body.toString()) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  for (const blob of [config, ...layers]) {
    const { body } = await ask(port, "GET", `/v2/crowd/blobs/${blob.digest}`);
    expect(`sha256:${createHash("sha256").update(body).digest("hex")}`).toBe(blob.digest);
  }
}

/** The most memory that a process had so far, in bytes (proc(5), VmHWM). */
function peakOf(pid: number): number {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}
