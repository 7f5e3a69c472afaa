import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesContent, noProgress, sha256 } from "../io/index.ts";
import { attributes, type Changes, changes, type Entry, Tree, treeOf } from "../tree/index.ts";
import { choosePrivilege } from "./privilege.ts";
import { pruneSnapshots } from "./prune-snapshots.ts";
import { mostStacked, type SnapshotLayer, snapshot, snapshotStack } from "./snapshot.ts";
import { adoptSnapshot, findSnapshot, makeSnapshot } from "./snapshot-place.ts";

const work = { progress: noProgress, signal: new AbortController().signal };
const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const file = (text = ""): Entry => ({ ...attributes(0o644, own), type: "file", content: bytesContent(text) });

let directory = "";
let environment: Record<string, string> = {};
const snapshots = (): string => join(directory, "whittle/snapshots");

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "whittle-snapshots-"));
  environment = {
    PATH: process.env["PATH"] ?? "",
    XDG_CACHE_HOME: directory,
    XDG_RUNTIME_DIR: join(directory, "run"),
  };
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** The names that are no locks. */
async function places(): Promise<string[]> {
  return (await readdir(snapshots())).filter((name) => !name.endsWith(".lock")).sort();
}

describe("a snapshot", () => {
  it("is made once, whoever asks for it at the same time", async () => {
    let made = 0;
    const tree = async (): Promise<Tree> => {
      made++;
      return treeOf([["/a", file("text")]]);
    };
    const all = await Promise.all([1, 2, 3].map(() => snapshot(sha256("key"), tree, work, environment)));
    expect(made).toBe(1);
    expect(new Set(all.map(({ rootfs }) => rootfs)).size).toBe(1);
    expect(readFileSync(join(all[0]?.rootfs ?? "", "a"), "utf8")).toBe("text");
    expect(Number(await readFile(join(all[0]?.rootfs ?? "", "../size"), "utf8"))).toBeGreaterThan(4);
  });

  it("is not there when making it failed", async () => {
    const broken = (): Promise<Tree> => Promise.reject(new Error("no tree"));
    await expect(snapshot(sha256("key"), broken, work, environment)).rejects.toThrow("no tree");
    expect(await places()).toEqual([]);
    await snapshot(sha256("key"), async () => Tree.empty, work, environment);
    expect(await places()).toHaveLength(1);
  });

  it("takes no attributes from an image's files that an overlay would obey", async () => {
    const evil = { ...file(), xattrs: new Map([["user.overlay.opaque", Buffer.from("y")]]) };
    let asked: Tree | undefined;
    const tree = treeOf([["/a", evil]]);
    const { rootfs } = await snapshot(
      sha256("key"),
      async () => {
        asked = tree;
        return tree;
      },
      work,
      environment,
    );
    expect(asked).toBe(tree);
    const { treeOfDirectory } = await import("../tree/index.ts");
    expect((await treeOfDirectory(rootfs, { xattrs: true })).get("/a")?.xattrs).toBeUndefined();
  });

  it("is a directory that was there already, when it is adopted", async () => {
    const upper = join(directory, "upper");
    const place = join(snapshots(), "one");
    await mkdir(upper);
    await writeFile(join(upper, "a"), "text");
    expect(await adoptSnapshot(upper, place, 7)).toBe(true);
    expect(await findSnapshot(place)).toBe(join(place, "rootfs"));
    await mkdir(upper);
    expect(await adoptSnapshot(upper, place, 7)).toBe(false);
    expect(await stat(upper)).toBeDefined();
    expect(await places()).toEqual(["one"]);
  });

  it("is found by nobody before it is whole", async () => {
    const place = join(snapshots(), "one");
    const fill = async (rootfs: string): Promise<number> => {
      await mkdir(rootfs);
      expect(await findSnapshot(place)).toBeUndefined();
      return 1;
    };
    expect(await makeSnapshot(place, fill, async () => undefined, work)).toBe(join(place, "rootfs"));
  });

  it("is made again when the machine went down before it was surely on the disk", async () => {
    const place = join(snapshots(), "one");
    let made = 0;
    const make = (): Promise<string> =>
      makeSnapshot(
        place,
        async (rootfs) => {
          await mkdir(rootfs);
          await writeFile(join(rootfs, "a"), String(++made));
          return 1;
        },
        (path) => rm(path, { recursive: true }),
        work,
      );
    await make();
    await writeFile(join(place, "boot"), "another");
    expect(await findSnapshot(place)).toBeUndefined();
    expect(await readFile(join(await make(), "a"), "utf8")).toBe("2");
    expect(await places()).toEqual(["one"]);
    // Found minutes after it was made: it is on the disk now, whatever happens.
    await utimes(join(place, "boot"), 0, 0);
    expect(await findSnapshot(place)).toBe(join(place, "rootfs"));
    expect((await readdir(place)).sort()).toEqual(["rootfs", "size"]);
    expect(await readFile(join(await make(), "a"), "utf8")).toBe("2");
  });
});

describe("the layers of a tree", () => {
  /** A tower of trees of which each has one file more. */
  function tower(height: number): SnapshotLayer[] {
    const trees: Tree[] = [treeOf([["/base", file("base")]])];
    for (let level = 1; level < height; level++) {
      const below = trees[level - 1] ?? Tree.empty;
      trees.push(
        below.overlay(treeOf([[`/level${level}`, file(String(level))]])).without(`/level${level - 1}`),
      );
    }
    return trees.map((tree, level) => {
      const below = trees[level - 1];
      const layer = { key: sha256(String(level)), tree: async () => tree };
      return below === undefined
        ? layer
        : { ...layer, changes: async (): Promise<Changes> => changes(below, tree) };
    });
  }

  it("are made each for itself, and only those that are missing", async () => {
    const privilege = await choosePrivilege(environment);
    const layers = tower(3);
    const two = await snapshotStack(layers.slice(0, 2), privilege, work, environment);
    const refuse = async (): Promise<never> => {
      throw new Error("made again");
    };
    const known = layers.map((layer, index) =>
      index < 2 ? { ...layer, tree: refuse, changes: refuse } : layer,
    );
    const known0 = { key: known[0]?.key ?? sha256(""), tree: refuse };
    const three = await snapshotStack([known0, ...known.slice(1)], privilege, work, environment);
    expect(three.slice(0, 2)).toEqual(two);
    expect(await readdir(three[0] ?? "")).toEqual(["base"]);
    expect((await readdir(three[2] ?? "")).sort()).toEqual(["level1", "level2"]);
    expect((await stat(join(three[2] ?? "", "level1"))).isCharacterDevice()).toBe(true);
  });

  it("begin with a whole tree again before there are too many", async () => {
    const privilege = await choosePrivilege(environment);
    const stack = await snapshotStack(tower(mostStacked + 2), privilege, work, environment);
    expect(stack).toHaveLength(2);
    expect((await readdir(stack[0] ?? "")).sort()).toEqual(["base", `level${mostStacked}`]);
  });
});

describe("tidying snapshots", () => {
  const hours = (number: number): Date => new Date(Date.now() - number * 3_600_000);

  async function place(name: string, size: number, used: Date): Promise<string> {
    const path = join(snapshots(), name);
    await mkdir(join(path, "rootfs"), { recursive: true });
    await writeFile(join(path, "size"), String(size));
    await utimes(path, used, used);
    return path;
  }

  it("keeps what was used last, up to a size, and what was used just now", async () => {
    await place("old", 10, hours(5));
    await place("older", 10, hours(6));
    await place("oldest", 10, hours(7));
    await place("now", 1000, hours(0));
    expect(await pruneSnapshots(environment, { keepBytes: 1020, dryRun: true })).toEqual({
      snapshots: 1,
      bytes: 10,
    });
    expect(await pruneSnapshots(environment, { keepBytes: 1020 })).toEqual({ snapshots: 1, bytes: 10 });
    expect(await places()).toEqual(["now", "old", "older"]);
  });

  it("removes what nobody used for long, and what was never finished", async () => {
    await place("old", 10, hours(24 * 31));
    await place("young", 10, hours(2));
    await place("half.tmp", 0, hours(2));
    await mkdir(join(snapshots(), "nobody.lock"));
    await utimes(join(snapshots(), "nobody.lock"), hours(2), hours(2));
    await pruneSnapshots(environment);
    expect(await readdir(snapshots())).toEqual(["young"]);
  });

  it("leaves what containers and steps stand on", async () => {
    const below = await place("below", 10, hours(24 * 99));
    const under = await place("under", 10, hours(24 * 99));
    const container = join(directory, "run/whittle/containers/id");
    const step = join(directory, "whittle/steps/id/lowers");
    await mkdir(container, { recursive: true });
    await mkdir(step, { recursive: true });
    await symlink(join(below, "rootfs"), join(container, "lower"));
    await symlink(join(under, "rootfs"), join(step, "0"));
    await pruneSnapshots(environment, { keepBytes: 0 });
    expect(await places()).toEqual(["below", "under"]);
  });
});
