import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { copyExample, type Finished, run, temporary, whittle } from "./program.ts";
import { whittleServe } from "./registry-servers.ts";

// Small file systems are mounted for one place after another, which takes root.

let directory = "";
let example = "";
let small = "";
let digest = "";
const native = ["--platform", "linux/amd64"];

beforeAll(async () => {
  directory = temporary();
  chmodSync(directory, 0o755);
  example = copyExample(join(directory, "api-simulator"));
  small = join(directory, "small");
  mkdirSync(small);
  digest = (await build(join(directory, "store"))).stdout.trim();
  expect(digest).toMatch(/^sha256:/);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function build(
  store: string,
  words: string[] = [],
  environment: Record<string, string> = {},
): Promise<Finished> {
  const env = { ...process.env, ...environment };
  return whittle(store, ["build", example, ...native, ...words], { env });
}

function mount(options: string): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", small]);
}

/** Every name below a directory that looks unfinished. */
function unfinished(place: string): string[] {
  const names = readdirSync(place, { recursive: true, encoding: "utf8" });
  return names.filter((name) => /\.tmp$|(^|\/)(tmp|lock)\/./.test(name));
}

function isFull(finished: Finished, place: string): void {
  expect({ status: finished.status, stdout: finished.stdout }, finished.stderr).toEqual({
    status: 3,
    stdout: "",
  });
  expect(finished.stderr).toMatch(/^whittle: Cannot .*: no space is left on the device$/m);
  expect(finished.stderr).toContain(place);
  expect(finished.stderr).toMatch(/^hint: free some space/m);
  expect(finished.stderr).not.toMatch(/\n {4}at |\.[0-9a-f]{12}\.tmp/);
}

describe("a full disk", () => {
  afterEach(() => void execFileSync("umount", [small]));

  it.each([16, 100, 1000, 3000])(
    "of %i kB for the store leaves a whole store, and room lets it go on",
    async (size) => {
      mount(`size=${size}k`);
      const store = join(small, "store");
      isFull(await build(store), store);
      expect(unfinished(small)).toEqual([]);
      execFileSync("mount", ["-o", "remount,size=64m", small]);
      const built = await build(store);
      expect(built.stdout.trim(), built.stderr).toBe(digest);
      const verified = await whittle(store, ["store", "verify"]);
      expect(verified.status, verified.stdout).toBe(0);
    },
  );

  // Too small for the release file, for the index, for what is made of the index, for the packages.
  it.each([64, 12_000, 80_000, 108_000])(
    "of %i kB for the cache is told, and room lets it go on",
    async (size) => {
      mount(`size=${size}k`);
      const store = join(directory, `store-${size}`);
      isFull(await build(store, [], { XDG_CACHE_HOME: small }), small);
      expect(unfinished(small)).toEqual([]);
      execFileSync("mount", ["-o", "remount,size=256m", small]);
      const built = await build(store, [], { XDG_CACHE_HOME: small });
      expect(built.stdout.trim(), built.stderr).toBe(digest);
    },
  );

  it.each(["oci", "docker", "tar", "local"])(
    "for an output of type %s leaves nothing of it",
    async (type) => {
      for (const size of [16, 300, 3000]) {
        mount(`size=${size}k`);
        isFull(
          await build(join(directory, "store"), ["-o", `type=${type},dest=${join(small, "out")}`]),
          small,
        );
        expect(readdirSync(small)).toEqual([]);
        if (size < 3000) execFileSync("umount", [small]);
      }
    },
  );

  it("for a directory of output that was there leaves it empty", async () => {
    mount("size=3000k");
    isFull(await build(join(directory, "store"), ["-o", `type=local,dest=${small}`]), small);
    expect(readdirSync(small)).toEqual([]);
  });

  it.each(["tar", "local"])("for temporary files leaves no output of type %s", async (type) => {
    mount("size=1000k");
    const dest = join(directory, `from-${type}`);
    isFull(
      await build(join(directory, "store"), ["-o", `type=${type},dest=${dest}`], { TMPDIR: small }),
      small,
    );
    expect(existsSync(dest)).toBe(false);
    expect(readdirSync(small)).toEqual([]);
  });

  it("of a server is told to who pushes, and leaves its store whole", async () => {
    const store = join(directory, "store");
    expect((await build(store, ["-t", "pushed:1"])).status).toBe(0);
    mount("size=1000k");
    const served = join(small, "store");
    const server = await whittleServe(served);
    try {
      const pushed = await whittle(store, ["push", "pushed:1", `${server.host}/pushed:1`]);
      expect(pushed.status).toBe(3);
      expect(pushed.stderr).toMatch(/^whittle: Cannot push .*: the registry's disk is full\)$/m);
      expect(pushed.stderr).toMatch(/^hint: its log tells why/m);
    } finally {
      await server.stop();
    }
    const verified = await whittle(served, ["store", "verify"]);
    expect(verified.status, verified.stdout).toBe(0);
  });

  it("of a server has as much room as before when an upload did not fit", async () => {
    mount("size=8m");
    const server = await whittleServe(join(small, "store"));
    const at = `http://${server.host}/v2/a/blobs/uploads/`;
    const bytes = (size: number): Buffer => Buffer.alloc(size, "x");
    const send = (path: string, body: Buffer, method = "PATCH"): Promise<Response> =>
      fetch(new URL(path, at), { method, body });
    const begun = async (): Promise<string> =>
      (await fetch(at, { method: "POST" })).headers.get("location") ?? "";
    try {
      const before = await begun();
      const first = await send(before, bytes(1_000_000));
      expect([first.status, first.headers.get("range")]).toEqual([202, "0-999999"]);
      expect((await send(before, bytes(20_000_000))).status).toBe(500);
      // What came in the request that failed is gone, and what came before it is there.
      expect((await fetch(new URL(before, at))).headers.get("range")).toBe("0-999999");
      const other = await send(await begun(), bytes(5_000_000));
      expect([other.status, other.headers.get("range")]).toEqual([202, "0-4999999"]);
      const digest = createHash("sha256").update(bytes(1_500_000)).digest("hex");
      const ended = await send(`${before}?digest=sha256:${digest}`, bytes(500_000), "PUT");
      expect(ended.status).toBe(201);
    } finally {
      await server.stop();
    }
    const verified = await whittle(join(small, "store"), ["store", "verify"]);
    expect(verified.status, verified.stdout).toBe(0);
  });

  it("of file names, not bytes, leaves no upload that could not be begun", async () => {
    mount("size=64m,nr_inodes=24");
    const server = await whittleServe(join(small, "store"));
    const at = `http://${server.host}/v2/a/blobs/uploads/`;
    try {
      const statuses = [];
      for (let turn = 0; turn < 24; turn++) statuses.push((await fetch(at, { method: "POST" })).status);
      expect(statuses.at(-1)).toBe(500);
      const begun = statuses.filter((status) => status === 202).length;
      expect(begun).toBeGreaterThan(0);
      expect(readdirSync(join(small, "store/uploads"))).toHaveLength(begun);
    } finally {
      await server.stop();
    }
  });

  it("of file names, not bytes, is as full", async () => {
    mount("size=64m,nr_inodes=12");
    const store = join(small, "store");
    isFull(await build(store), store);
    execFileSync("mount", ["-o", "remount,nr_inodes=1000", small]);
    expect((await build(store)).stdout.trim()).toBe(digest);
  });
});

describe("a place that may not be written", () => {
  beforeEach(() => mount("size=256m"));
  afterEach(() => void execFileSync("umount", [small]));
  const seal = (): void => void execFileSync("mount", ["-o", "remount,ro", small]);

  it("is told of a store and of an output", async () => {
    const store = join(small, "store");
    seal();
    const built = await build(store);
    expect([built.status, built.stdout]).toEqual([3, ""]);
    expect(built.stderr).toMatch(/whittle: Cannot make .*small.*: the file system is read-only/);
    for (const type of ["oci", "docker", "tar", "local"]) {
      const written = await build(join(directory, "store"), [
        "-o",
        `type=${type},dest=${join(small, "out")}`,
      ]);
      expect([written.status, written.stdout], type).toEqual([3, ""]);
      expect(written.stderr, type).toMatch(/whittle: Cannot .*small.*: the file system is read-only$/m);
    }
  });

  it("is no hindrance to reading a store", async () => {
    const store = join(small, "store");
    expect((await build(store, ["-t", "sealed:1"])).stdout.trim()).toBe(digest);
    seal();
    for (const words of [["images"], ["inspect", "sealed:1"], ["store", "verify"], ["store", "du"]]) {
      const finished = await whittle(store, words);
      expect(finished.status, `${words.join(" ")}: ${finished.stderr}`).toBe(0);
    }
  });

  it("is no hindrance as a cache that holds what is needed, and is told where it does not", async () => {
    const cache = { XDG_CACHE_HOME: small };
    expect((await build(join(directory, "store-ro-1"), [], cache)).stdout.trim()).toBe(digest);
    seal();
    const warm = await build(join(directory, "store-ro-2"), [], cache);
    expect(warm.stdout.trim(), warm.stderr).toBe(digest);
    const other = await build(join(directory, "store-ro-2"), ["--platform", "linux/s390x"], cache);
    expect(other.status).toBe(3);
    expect(other.stderr).toMatch(/whittle: Cannot write .*small.*: the file system is read-only$/m);
  });

  it("is told of an ordinary user's store that belongs to somebody else", async () => {
    const store = join(directory, "of-root");
    await build(store);
    const asUser = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"] as const;
    const program = join(import.meta.dirname, "../dist/whittle.js");
    const copy = join(small, "program");
    execFileSync("cp", ["-r", join(program, ".."), copy]);
    execFileSync("cp", [join(program, "../../package.json"), small]);
    execFileSync("cp", [process.execPath, join(small, "node")]);
    const words = [join(small, "node"), join(copy, "whittle.js"), "tag", digest, "mine:1"] as const;
    const env = { ...process.env, WHITTLE_STORE: store, HOME: small };
    const finished = await run([...asUser, ...words], { env, cwd: "/" });
    expect(finished.status, finished.stderr).toBe(3);
    expect(finished.stderr).toMatch(/^whittle: Cannot .*of-root.*: permission denied\nhint: .*chmod/m);
  });
});

describe("a place for temporary files that is not there", () => {
  it("is named", async () => {
    const dest = join(directory, "never");
    const finished = await build(join(directory, "store"), ["-o", `type=tar,dest=${dest}`], {
      TMPDIR: join(directory, "nowhere"),
    });
    expect(finished.status).toBe(2);
    expect(finished.stderr).toMatch(
      /Cannot make a temporary directory in .*nowhere: no such file or directory/,
    );
    expect(finished.stderr).toMatch(/hint: .*TMPDIR/);
    expect(existsSync(dest)).toBe(false);
  });
});
