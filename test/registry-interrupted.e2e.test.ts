import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { quietWork } from "../src/io/index.ts";
import { openStore } from "../src/store/index.ts";
import { startWhittle, temporary, whittle } from "./program.ts";
import { type Fault, type FaultProxy, faultProxy, type Passed } from "./registry-proxy.ts";
import { type RegistryProcess, whittleServe } from "./registry-servers.ts";

// Push, pull and copy are interrupted in the middle of a layer: nothing half of an image is there, and all of it the
// next time.

let place = "";
let digest = "";
let registry: RegistryProcess;
let proxy: FaultProxy;

const store = (name: string): string => join(place, name);
const isBlob = ({ method, path }: Passed): boolean => method === "GET" && path.includes("/blobs/");
const stalled = (passed: Passed): Fault | undefined =>
  isBlob(passed) ? { kind: "stall", at: 500_000 } : undefined;
const held = ({ method, path }: Passed): Fault | undefined =>
  method !== "GET" && method !== "HEAD" && path.includes("/uploads/")
    ? { kind: "hold-request", at: 500_000, until: new Promise(() => undefined) }
    : undefined;

beforeAll(async () => {
  place = temporary();
  const context = join(place, "context");
  mkdirSync(context);
  writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY file /\n");
  writeFileSync(join(context, "file"), randomBytes(3_000_000));
  const built = await whittle(store("origin"), ["build", context, "-t", "app:1"]);
  expect(built.status, built.stderr).toBe(0);
  digest = built.stdout.trim();
  registry = await whittleServe(store("served"));
  proxy = await faultProxy(registry.port);
  const pushed = await whittle(store("origin"), ["push", "app:1", `${registry.host}/there/app:1`]);
  expect(pushed.status, pushed.stderr).toBe(0);
});

afterAll(async () => {
  await proxy.stop();
  await registry.stop();
  rmSync(place, { recursive: true, force: true });
});

/** Interrupts a command when a layer has begun to travel. */
async function interrupt(
  proxy: FaultProxy,
  from: string,
  words: readonly string[],
  fault: FaultProxy["fault"],
): Promise<void> {
  proxy.passed.length = 0;
  let reached = (): void => undefined;
  const there = new Promise<void>((resolve) => {
    reached = resolve;
  });
  proxy.fault = (passed) => {
    const found = fault(passed);
    if (found !== undefined) reached();
    return found;
  };
  const running = startWhittle(store(from), words);
  await there;
  running.kill("SIGINT");
  const { status, stdout, stderr } = await running.finished;
  proxy.fault = () => undefined;
  expect([status, stdout], stderr).toEqual([130, ""]);
  expect(stderr).toMatch(/^whittle: Interrupted$/m);
}

async function names(name: string): Promise<string[]> {
  const { stdout } = await whittle(store(name), ["images", "--format", "json"]);
  return (JSON.parse(stdout) as { reference: string }[]).map(({ reference }) => reference).sort();
}

async function whole(name: string): Promise<void> {
  for await (const problem of (await openStore(store(name))).verify(quietWork))
    expect(problem).toBeUndefined();
}

it("a pull", async () => {
  const words = ["pull", `${proxy.host}/there/app:1`];
  await interrupt(proxy, "pulled", words, stalled);
  expect(await names("pulled")).toEqual([]);
  const again = await whittle(store("pulled"), words);
  expect([again.status, again.stdout], again.stderr).toEqual([0, `${digest}\n`]);
  await whole("pulled");
});

it.each(["push", "copy"])("a %s to an empty registry", async (verb) => {
  const target = await whittleServe(store(`${verb}-target`));
  const spoiled = await faultProxy(target.port);
  try {
    const to = `${spoiled.host}/app:1`;
    const words =
      verb === "push"
        ? ["push", "app:1", to]
        : ["copy", `docker://${registry.host}/there/app:1`, `docker://${to}`];
    await interrupt(spoiled, "origin", words, held);
    expect(await names(`${verb}-target`)).toEqual([]);
    const again = await whittle(store("origin"), words);
    expect([again.status, again.stdout], again.stderr).toEqual([0, `${digest}\n`]);
    await whole(`${verb}-target`);
  } finally {
    await spoiled.stop();
    await target.stop();
  }
});

it("a copy into a directory", async () => {
  const words = ["copy", `docker://${proxy.host}/there/app:1`, `oci:${join(place, "layout")}`];
  await interrupt(proxy, "copied", words, stalled);
  expect(existsSync(join(place, "layout/index.json"))).toBe(false);
  const again = await whittle(store("copied"), words);
  expect(again.status, again.stderr).toBe(0);
  await whole("layout");
});
