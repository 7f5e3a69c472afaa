import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Reasons, type ReasonsForm } from "../src/carve/index.ts";
import { machineMatches, readElf } from "../src/elf/index.ts";
import {
  formatPlatform,
  type Image,
  mediaTypes,
  openImage,
  platformsOf,
  readTree,
} from "../src/image/index.ts";
import { quietWork, readContent } from "../src/io/index.ts";
import { openStore, type Store, unpackedLayersDirectory } from "../src/store/index.ts";
import type { Tree } from "../src/tree/index.ts";
import { copyExample, type Finished, program, run, startWhittle, temporary, whittle } from "./program.ts";

const native = ["--platform", "linux/amd64"];
let directory = "";
let example = "";
let storeDirectory = "";
let everything: Finished;
let store: Store;

beforeAll(async () => {
  directory = temporary();
  chmodSync(directory, 0o755);
  example = copyExample(join(directory, "example"));
  storeDirectory = join(directory, "store");
  everything = await whittle(storeDirectory, ["build", example, "-t", "s0:1"]);
  if (everything.status !== 0) throw new Error(everything.stderr);
  store = await openStore(storeDirectory);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The native image of a name. */
async function nativeImage(name: string): Promise<Image> {
  return openImage(store, (await store.resolve(name))!, { os: "linux", architecture: "amd64" });
}

function treeOfImage(image: Image): Promise<Tree> {
  return readTree(image, { unpacked: unpackedLayersDirectory(storeDirectory), work: quietWork });
}

function digestOf(finished: Finished): string {
  if (finished.status !== 0) throw new Error(finished.stderr);
  return finished.stdout.trim().split("\n").at(-1) ?? "";
}

describe("building the API simulator for all platforms", () => {
  it("prints one digest on stdout and a table of at least ten platforms on stderr", () => {
    expect(everything.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    const shown = new Set(everything.stderr.match(/^scratch +linux\/\S+/gm));
    expect(shown.size).toBeGreaterThanOrEqual(10);
  });

  it("makes images of programs for their own machine, each file with reasons that end in a root", async () => {
    const descriptor = await store.resolve("s0:1");
    if (descriptor === undefined) throw new Error("s0:1 is not in the store");
    const platforms = await platformsOf(store, descriptor);
    expect(platforms.length).toBeGreaterThanOrEqual(10);
    for (const one of platforms) {
      const tree = await treeOfImage(await openImage(store, one.descriptor));
      const [referrer] = await store.referrers(one.descriptor.digest, mediaTypes.reasons);
      if (referrer === undefined) throw new Error(`${formatPlatform(one.platform)} has no reasons`);
      const manifest = JSON.parse((await readContent(await store.blob(referrer))).toString());
      const form = JSON.parse(
        (await readContent(await store.blob(manifest.layers[0]))).toString(),
      ) as ReasonsForm;
      const reasons = Reasons.fromJSON(form);
      let programs = 0;
      for (const [path, entry] of tree.entries()) {
        const chain = reasons.chain(path);
        expect(chain.length, `${path} has no reason`).toBeGreaterThan(0);
        expect(chain[0]?.from, `${path}'s chain begins in the air`).toBeUndefined();
        expect(chain.at(-1)?.to).toBe(path);
        for (const [index, reason] of chain.entries()) {
          if (index > 0) expect(reason.from).toBe(chain[index - 1]?.to);
        }
        expect(entry.mode & 0o6000, `${path} is setuid or setgid`).toBe(0);
        if (entry.type !== "file") continue;
        const elf = await readElf(entry.content);
        if (elf === undefined) continue;
        programs++;
        expect(machineMatches(elf, one.platform), `${path} for ${formatPlatform(one.platform)}`).toBe(true);
      }
      expect(programs).toBeGreaterThan(5);
    }
  });

  it("keeps the native image small and without shells, package managers or root", async () => {
    const image = await nativeImage("s0:1");
    const config = await image.config();
    expect(config.config?.User).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    const layers = await image.layers();
    const packed = layers.reduce((sum, layer) => sum + layer.descriptor.size, 0);
    expect(packed).toBeLessThanOrEqual(6e6);
    const tree = await treeOfImage(image);
    let unpacked = 0;
    for (const [path, entry] of tree.entries()) {
      if (entry.type === "file") unpacked += Math.ceil(entry.content.size / 512) * 512;
      unpacked += 512;
      expect(path).not.toMatch(/bin\/(bash|dash|sh|apt|apt-get|dpkg)$/);
    }
    expect(unpacked).toBeLessThanOrEqual(14e6);
  });

  it("keeps licences and package records of what is left", async () => {
    const tree = await treeOfImage(await nativeImage("s0:1"));
    const packages = new Set<string>();
    for (const name of tree.children("/var/lib/dpkg/status.d")) {
      if (!name.endsWith(".md5sums")) packages.add(name);
    }
    expect([...packages]).toEqual(expect.arrayContaining(["nginx", "busybox", "libc6", "libssl3"]));
    for (const name of packages) {
      expect(tree.resolve(`/usr/share/doc/${name}/copyright`).entry?.type, `copyright of ${name}`).toBe(
        "file",
      );
    }
  });
});

describe("same inputs, same digest", () => {
  it("in another folder, with another umask, time zone and locale, without the cache", async () => {
    const digest = digestOf(await whittle(storeDirectory, ["build", example, ...native]));
    const elsewhere = copyExample(join(directory, "else", "where"));
    const words = [process.execPath, program, "build", elsewhere, ...native, "--no-cache"];
    const environment = {
      ...process.env,
      WHITTLE_STORE: join(directory, "other-store"),
      TZ: "Asia/Tokyo",
      LC_ALL: "tr_TR.UTF-8",
    };
    const command = `umask 077; chmod -R go= '${elsewhere}'; exec ${words.map((word) => `'${word}'`).join(" ")}`;
    expect(digestOf(await run(["sh", "-c", command], { env: environment }))).toBe(digest);
  });

  it("as an ordinary user", async () => {
    const digest = digestOf(await whittle(storeDirectory, ["build", example, ...native]));
    const home = join(directory, "home");
    mkdirSync(home);
    chownSync(home, 65534, 65534);
    const asUser = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] as const;
    const environment = {
      ...process.env,
      HOME: home,
      XDG_CACHE_HOME: join(home, "cache"),
      XDG_DATA_HOME: join(home, "data"),
    };
    execFileSync("cp", ["-r", program.replace(/\/whittle\.js$/, ""), join(home, "dist")]);
    execFileSync("cp", [join(program, "../../package.json"), home]);
    execFileSync("cp", [process.execPath, join(home, "node")]);
    const words = [join(home, "node"), join(home, "dist/whittle.js"), "build", example, ...native] as const;
    const finished = await run([...asUser, ...words], { env: environment, cwd: home });
    expect(digestOf(finished)).toBe(digest);
    expect(finished.stderr).toContain("whittle.lock could not be written");
  });

  it("with SOURCE_DATE_EPOCH, which becomes the date of the image", async () => {
    const build = (): Promise<Finished> =>
      whittle(storeDirectory, ["build", example, ...native, "-t", "dated:1", "--no-cache"], {
        env: { SOURCE_DATE_EPOCH: "1700000000" },
      });
    expect(digestOf(await build())).toBe(digestOf(await build()));
    expect((await (await nativeImage("dated:1")).config()).created).toBe("2023-11-14T22:13:20Z");
  });

  it("from a lock file, which records every package with its digest", async () => {
    const digest = digestOf(await whittle(storeDirectory, ["build", example, ...native]));
    const lock = JSON.parse(readFileSync(join(example, "whittle.lock"), "utf8"));
    expect(Object.keys(lock.images.scratch).length).toBeGreaterThanOrEqual(10);
    for (const one of lock.images.scratch["linux/amd64"].packages)
      expect(one.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(
      digestOf(await whittle(storeDirectory, ["build", example, ...native, "--locked", "--no-cache"])),
    ).toBe(digest);
  });
});

describe("rebuilding", () => {
  it("writes the application's layer only when a JSON file changes", async () => {
    const layers = async (): Promise<string[]> => {
      return (await (await nativeImage("edit:1")).layers()).map((layer) => layer.descriptor.digest);
    };
    await whittle(storeDirectory, ["build", example, ...native, "-t", "edit:1"]);
    const before = await layers();
    writeFileSync(join(example, "api/version.json"), '{ "version": "2.0.0", "edited": true }\n');
    const finished = await whittle(storeDirectory, ["build", example, ...native, "-t", "edit:1"]);
    expect(finished.stderr).toMatch(/= linux\/amd64 carve cached/);
    const after = await layers();
    expect(after[0]).toBe(before[0]);
    expect(after[1]).not.toBe(before[1]);
  });

  it("takes nothing from the cache with --no-cache, and comes to the same", async () => {
    const words = ["build", example, "--platform", "linux/amd64,linux/arm64,linux/riscv64,linux/s390x"];
    const first = await whittle(storeDirectory, words);
    const known = await whittle(storeDirectory, words);
    expect(known.stderr).toMatch(/= linux\/s390x carve cached/);
    const anew = await whittle(storeDirectory, [...words, "--no-cache"]);
    expect(anew.stderr).not.toMatch(/ cached/);
    expect(anew.stderr.match(/✓ linux\/\w+ carve/g)).toHaveLength(4);
    for (const one of [known, anew]) expect(digestOf(one)).toBe(digestOf(first));
  });

  it("survives an interrupt and goes on from there", async () => {
    const fresh = join(directory, "interrupted");
    const digest = digestOf(await whittle(storeDirectory, ["build", example, ...native]));
    for (const after of [30, 120, 250, 400]) {
      const running = startWhittle(fresh, ["build", example, ...native, "--no-cache"]);
      setTimeout(() => running.kill("SIGINT"), after);
      const finished = await running.finished;
      expect([0, 130, null]).toContain(finished.status);
      expect(finished.stderr).not.toMatch(/\n {4}at /);
    }
    for (const after of [100, 200, 300]) {
      const running = startWhittle(fresh, ["build", example, ...native, "--no-cache"]);
      setTimeout(() => running.kill("SIGKILL"), after);
      await running.finished;
    }
    expect(digestOf(await whittle(fresh, ["build", example, ...native]))).toBe(digest);
    for await (const problem of (await openStore(fresh)).verify(quietWork))
      throw new Error(JSON.stringify(problem));
  });

  it("takes two builds at once on one store", async () => {
    const shared = join(directory, "shared");
    const both = await Promise.all([
      whittle(shared, ["build", example, ...native, "-t", "one:1"]),
      whittle(shared, ["build", example, ...native, "-t", "two:1"]),
    ]);
    expect(digestOf(both[0])).toBe(digestOf(both[1]));
    const names = (await (await openStore(shared)).list()).map((image) => image.reference);
    expect(names).toEqual(expect.arrayContaining(["one:1", "two:1"]));
    for await (const problem of (await openStore(shared)).verify(quietWork))
      throw new Error(JSON.stringify(problem));
  });
});
