import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { apiSimulator, program, start, temporary, whittle } from "./program.ts";

// The example under load, behind a port that `whittle run` publishes.

let directory = "";
let store = "";
const name = `load-${process.pid}`;

beforeAll(async () => {
  directory = temporary();
  store = join(directory, "store");
  const built = await whittle(store, ["build", apiSimulator, "-t", "api:1", "--platform", "linux/amd64"]);
  expect(built.status, built.stderr).toBe(0);
});

afterAll(async () => {
  await whittle(store, ["rm", "-f", name]);
  rmSync(directory, { recursive: true, force: true });
});

it("answers every request of a crowd with its root file system read-only, and stops at once", async () => {
  const ran = await whittle(store, [
    "run",
    "-d",
    "--read-only",
    "--name",
    name,
    "-p",
    "127.0.0.1:0:8080",
    "api:1",
  ]);
  expect(ran.status, ran.stderr).toBe(0);
  const [, port] = /127\.0\.0\.1:(\d+)->8080/.exec(ran.stderr) ?? [];
  const address = `http://127.0.0.1:${port}/users`;
  const load = execFileSync("wrk", ["-t1", "-c32", "-d5s", address], { encoding: "utf8" });
  expect(load).not.toMatch(/Socket errors|Non-2xx/);
  const stopped = await whittle(store, ["stop", name]);
  expect(stopped.status, stopped.stderr).toBe(0);
});

it("writes its log to a pipe in the foreground, and ends on SIGINT with nothing left", async () => {
  // As a shell connects them: a pipe, which /dev/stdout can be opened through, unlike a socket.
  const words = `exec "$NODE" "$PROGRAM" run --rm --name "$NAME" --read-only -p 127.0.0.1:0:8080 api:1 > >(cat) 2>&1`;
  const running = start(["bash", "-c", words], {
    env: {
      ...process.env,
      WHITTLE_STORE: store,
      NODE: process.execPath,
      PROGRAM: program,
      NAME: `${name}-front`,
    },
  });
  // Other tests have containers at the same time.
  const mine = async (): Promise<{ ports: { hostPort: number }[] } | undefined> => {
    const listed = await whittle(store, ["ps", "--all", "--format", "json"]);
    return JSON.parse(listed.stdout).find((each: { name: string }) => each.name === `${name}-front`);
  };
  // Its port is chosen while it starts, and open before the program answers on it.
  let response: Response | undefined;
  while (response === undefined) {
    await delay(100);
    const port = (await mine())?.ports[0]?.hostPort;
    if (port !== undefined) response = await fetch(`http://127.0.0.1:${port}/users/1`).catch(() => undefined);
  }
  expect(response.status).toBe(200);
  running.kill("SIGINT");
  const { stdout } = await running.finished;
  expect(stdout).toMatch(/"GET \/users\/1 HTTP\/1\.1" 200/);
  expect(await mine()).toBeUndefined();
});
