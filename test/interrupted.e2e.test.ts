import { spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copyExample, type Finished, program, temporary, whittle } from "./program.ts";

// A build is told to stop in the middle of each of its phases, and then goes on from there.

const signals = ["SIGINT", "SIGTERM", "SIGKILL"] as const;
type Signal = (typeof signals)[number];

let directory = "";
let example = "";
let full = "";
let digest = "";

beforeAll(async () => {
  directory = temporary();
  example = copyExample(join(directory, "api-simulator"));
  full = join(directory, "full-cache");
  digest = (await build(join(directory, "store"), full)).stdout.trim();
  expect(digest).toMatch(/^sha256:/);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const words = (context: string): string[] => ["build", context, "--platform", "linux/amd64"];

function build(store: string, cache: string): Promise<Finished> {
  return whittle(store, words(example), { env: { ...process.env, XDG_CACHE_HOME: cache } });
}

interface Interrupted extends Pick<Finished, "status" | "signal" | "stdout" | "stderr"> {
  /** Whether the moment came before the end. */
  readonly hit: boolean;
}

/** Starts a build and sends it a signal at the first moment that is the right one. */
async function interrupt(
  signal: Signal,
  store: string,
  cache: string,
  line: readonly string[],
  isMoment: (stderr: string) => boolean,
): Promise<Interrupted> {
  const env = { ...process.env, WHITTLE_STORE: store, XDG_CACHE_HOME: cache, NO_COLOR: "1" };
  const child = spawn(process.execPath, [program, "--progress", "json", ...line], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  let hit = false;
  const look = (): void => {
    if (hit || !isMoment(stderr)) return;
    hit = true;
    child.kill(signal);
  };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
    look();
  });
  const watch = setInterval(look, 1);
  const [status, by] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.on("close", (code, name) => resolve([code, name])),
  );
  clearInterval(watch);
  return { status, signal: by, stdout, stderr, hit };
}

function endedBy(signal: Signal, interrupted: Interrupted): void {
  const { hit, status, signal: by, stdout, stderr } = interrupted;
  expect({ hit, stdout }, stderr).toEqual({ hit: true, stdout: "" });
  if (signal === "SIGKILL") {
    expect(by).toBe("SIGKILL");
    return;
  }
  expect({ status, by }, stderr).toEqual({ status: 130, by: null });
  expect(JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({
    kind: "error",
    code: "INTERRUPTED",
  });
}

/** Names of files that were not finished; what was got of a download stays for the next time. */
function unfinished(place: string): string[] {
  if (!existsSync(place)) return [];
  const names = readdirSync(place, { recursive: true, encoding: "utf8" });
  return names.filter((name) => /\.tmp$|(^|\/)(tmp|lock)\/./.test(name));
}

const phases: readonly {
  readonly name: string;
  readonly moment: RegExp;
  /** What is taken from a full cache directory before. */
  readonly without: readonly string[];
}[] = [
  { name: "downloading an index", moment: /"bytes","id":"index:/, without: ["debian"] },
  {
    name: "downloading packages",
    moment: /"bytes","id":"fetch:/,
    without: ["debian/packages", "debian/unpacked", "deflated"],
  },
  { name: "unpacking", moment: /"start","id":"unpack:/, without: ["debian/unpacked", "deflated"] },
  { name: "carving", moment: /"label":"carve"/, without: ["deflated"] },
  {
    name: "writing a layer",
    moment: /"start",[^\n]*"label":"write the layer of packages"/,
    without: ["deflated"],
  },
];

describe.each(phases)("a build stopped while $name", ({ name, moment, without }) => {
  it.each(signals)("by %s goes on from there", async (signal) => {
    const place = join(directory, `${name.replaceAll(" ", "-")}-${signal}`);
    const [cache, store] = [join(place, "cache"), join(place, "store")];
    cpSync(full, cache, { recursive: true });
    for (const part of without) rmSync(join(cache, "whittle", part), { recursive: true, force: true });
    endedBy(signal, await interrupt(signal, store, cache, words(example), (stderr) => moment.test(stderr)));
    if (signal !== "SIGKILL") expect([...unfinished(store), ...unfinished(cache)]).toEqual([]);
    const again = await build(store, cache);
    expect(again.stdout.trim(), again.stderr).toBe(digest);
    const verified = await whittle(store, ["store", "verify"]);
    expect(verified.status, verified.stdout).toBe(0);
    rmSync(place, { recursive: true });
  });
});

describe("a build stopped while writing its output", () => {
  const context = (): string => join(directory, "large");
  beforeAll(() => {
    mkdirSync(context());
    writeFileSync(join(context(), "large.bin"), randomFillSync(Buffer.alloc(80_000_000)));
    writeFileSync(
      join(context(), "whittle.yaml"),
      "images:\n  a:\n    files: [{ from: large.bin, to: /large.bin }]\n",
    );
  });

  it.each(["oci", "docker", "tar", "local"])("of type %s leaves none of it", async (type) => {
    const store = join(directory, "store");
    for (const signal of signals) {
      const place = join(directory, `${type}-${signal}`);
      mkdirSync(place);
      const dest = join(place, "out");
      const line = [...words(context()), "-o", `type=${type},dest=${dest}`];
      endedBy(signal, await interrupt(signal, store, full, line, () => readdirSync(place).length > 0));
      if (signal !== "SIGKILL") expect(readdirSync(place)).toEqual([]);
      // An unfinished layout is a directory without the file that makes it one.
      else expect(existsSync(type === "oci" ? join(dest, "oci-layout") : dest)).toBe(false);
      const again = await whittle(store, line);
      expect(again.status, again.stderr).toBe(0);
      rmSync(place, { recursive: true });
    }
  });
});

describe("builds side by side on one store", () => {
  it("come to the same, though one of them is killed at any instant", async () => {
    const store = join(directory, "shared");
    const others = [0, 1].map((index) =>
      whittle(store, [...words(example), "--no-cache", "-t", `side-${index}:1`], {
        env: { ...process.env, XDG_CACHE_HOME: full },
      }),
    );
    for (const after of [100, 200, 300, 400]) {
      const begun = performance.now();
      await interrupt("SIGKILL", store, full, words(example), () => performance.now() - begun > after);
    }
    for (const other of await Promise.all(others)) expect(other.stdout.trim(), other.stderr).toBe(digest);
    const verified = await whittle(store, ["store", "verify"]);
    expect(verified.status, verified.stdout).toBe(0);
    const images = await whittle(store, ["images"]);
    for (const name of ["side-0:1", "side-1:1"]) expect(images.stdout).toContain(name);
  });
});
