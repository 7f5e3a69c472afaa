import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiSimulator, copyExample, type Finished, root, run, temporary, whittle } from "./program.ts";

// Somebody without rights, subordinate ids, an entry in /etc/passwd or /usr/sbin in the path, in a folder of theirs.

const uid = 54321;
let home = "";
let example = "";

beforeAll(() => {
  home = temporary();
  chmodSync(home, 0o755);
  mkdirSync(join(home, "program"));
  cpSync(join(root, "dist"), join(home, "program/dist"), { recursive: true });
  cpSync(join(root, "package.json"), join(home, "program/package.json"));
  for (const name of ["koffi", "@koromix"]) {
    const from = join(root, "node_modules", name);
    if (existsSync(from)) cpSync(from, join(home, "program/node_modules", name), { recursive: true });
  }
  cpSync(process.execPath, join(home, "program/node"));
  example = copyExample(join(home, "api-simulator"));
  execFileSync("chown", ["-R", `${uid}:${uid}`, home]);
  chownSync(home, uid, uid);
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Runs whittle as that user, with a mask, a time zone and a locale that few have. */
function asUser(...words: string[]): Promise<Finished> {
  const line = [join(home, "program/node"), join(home, "program/dist/whittle.js"), ...words];
  const quoted = line.map((word) => `'${word}'`).join(" ");
  return run(
    [
      "setpriv",
      "--reuid",
      `${uid}`,
      "--regid",
      `${uid}`,
      "--clear-groups",
      "sh",
      "-c",
      `umask 077; exec ${quoted}`,
    ],
    {
      cwd: home,
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: home, TZ: "Asia/Kathmandu", LC_ALL: "tr_TR.UTF-8" },
    },
  );
}

describe("an ordinary user", () => {
  it("builds the example to the digest that root gets", async () => {
    const platforms = ["--platform", "linux/amd64,linux/arm/v5"];
    const built = await asUser("build", example, "-t", "api:1", ...platforms);
    expect(built.status, built.stderr).toBe(0);
    const store = join(home, "of-root");
    const ofRoot = await whittle(store, ["build", apiSimulator, ...platforms, "--no-cache", "-t", "api:1"]);
    expect(built.stdout).toBe(ofRoot.stdout);
    expect((await asUser("store", "verify")).status).toBe(0);
  });

  it("runs it, reached by a published port, and stops it", async () => {
    await serves(asUser, []);
  });
});

describe("root", () => {
  it.each(["runc", "crun", "plain"])("runs it in the same way by %s", async (driver) => {
    const store = join(home, "of-root");
    await serves((...words) => whittle(store, words), ["--driver", driver]);
  });
});

/** A detached container that opens /dev/stdout anew, as a user of its own, and writes there what was asked of it. */
async function serves(
  program: (...words: string[]) => Promise<Finished>,
  options: readonly string[],
): Promise<void> {
  const name = `serves-${process.pid}-${options.at(-1) ?? "user"}`;
  const words = ["run", "-d", "--read-only", ...options, "--name", name, "-p", "127.0.0.1:0:8080"];
  const ran = await program(...words, "api:1");
  expect(ran.status, ran.stderr).toBe(0);
  try {
    const port = /127\.0\.0\.1:(\d+)->8080/.exec(ran.stderr)?.[1];
    const answer = await fetch(`http://127.0.0.1:${port}/users/1`);
    expect([answer.status, (await answer.json()) as unknown]).toEqual([
      200,
      expect.objectContaining({ name: "Ada Lovelace" }),
    ]);
    const stopped = await program("stop", name);
    expect(stopped.status, stopped.stderr).toBe(0);
    const logs = await program("logs", name);
    expect(logs.stdout, logs.stderr).toContain('"GET /users/1 HTTP/1.1" 200');
    const listed = await program("ps", "--all", "--format", "json");
    expect(JSON.parse(listed.stdout)).toContainEqual(expect.objectContaining({ name, exitCode: 0 }));
  } finally {
    const removed = await program("rm", "-f", name);
    expect(removed.status, removed.stderr).toBe(0);
  }
}
