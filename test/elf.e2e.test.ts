import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ElfFile, Loader, machineMatches, withLoaderCache } from "../src/elf/index.ts";
import { readContent } from "../src/io/index.ts";
import { type Tree, type TreePath, treeOfDirectory } from "../src/tree/index.ts";
import { answerOf, askLoader, difference, dynamicObjects } from "./loader-answers.ts";

const run = promisify(execFile);
const buffer = 64 * 1024 * 1024;

// Between them: RUNPATH of a private directory, libraries that open others, many small ones, a big one. The foreign
// root is smaller, because every question to its loader starts the emulator.
const some = ["base-files", "busybox", "nginx-light", "systemd"];
const many = [...some, "samba-libs", "libpython3.13-stdlib"];

const roots = [
  {
    name: "amd64",
    platform: { architecture: "amd64" },
    interpreter: "/lib64/ld-linux-x86-64.so.2",
    qemu: undefined,
    packages: many,
    atLeast: 250,
  },
  {
    name: "s390x",
    platform: { architecture: "s390x" },
    interpreter: "/lib/ld64.so.1",
    qemu: "/usr/bin/qemu-s390x-static",
    packages: some,
    atLeast: 100,
  },
] as const;

/** The mirror that apt on this machine uses. */
async function mirror(): Promise<string> {
  const chosen = process.env["DEBIAN_MIRROR"];
  if (chosen !== undefined && chosen !== "") return chosen;
  const format = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"];
  const { stdout } = await run("apt-get", format);
  const found = stdout.split("\n").find((line) => /\/debian\/?$/.test(line));
  if (found === undefined) throw new Error("apt on this machine knows no Debian mirror; set DEBIAN_MIRROR");
  return found;
}

describe.each(roots)(
  "a Debian root for $name",
  ({ name, platform, interpreter, qemu, packages, atLeast }) => {
    let root: string;
    let tree: Tree;
    let objects: Map<TreePath, ElfFile>;

    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), "whittle-elf-"));
      const options = [
        "--variant=extract",
        "--mode=root",
        `--architectures=${name}`,
        `--include=${packages.join(",")}`,
      ];
      await run("mmdebstrap", ["--quiet", ...options, "trixie", root, await mirror()], { maxBuffer: buffer });
      tree = await treeOfDirectory(root);
      objects = await dynamicObjects(tree, new Loader(tree));
    });

    afterAll(async () => {
      await rm(root, { recursive: true, force: true });
    });

    it("has what its own loader would load, in the same places and order", async () => {
      const loader = new Loader(tree, { cache: "none" });
      const answers = await askLoader(root, interpreter, [...objects.keys()], { qemu });
      const differences: Record<TreePath, string> = {};
      let complete = 0;
      for (const [path, wanted] of answers) {
        const closure = await loader.closure(path);
        const words =
          closure === undefined ? "nothing to load" : difference(wanted, answerOf(closure, interpreter));
        if (words !== undefined) differences[path] = words;
        if (wanted.complete) complete++;
      }
      expect(differences).toEqual({});
      expect(complete).toBeGreaterThan(atLeast);
    });

    it("reads as readelf does", async () => {
      for (const [path, elf] of objects) {
        const { stdout } = await run("readelf", ["--wide", "--dynamic", "--dyn-syms", join(root, path)], {
          maxBuffer: buffer,
        });
        const values = (tag: string): string[] =>
          [...stdout.matchAll(new RegExp(`\\(${tag}\\)[^\\[]*\\[(.*)\\]$`, "gm"))].map(
            ([, value]) => value ?? "",
          );
        expect(elf.needed, path).toEqual(values("NEEDED"));
        expect(elf.soname, path).toBe(values("SONAME")[0]);
        expect(elf.runpath?.join(":"), path).toBe(values("RUNPATH")[0]);
        expect(elf.rpath?.join(":"), path).toBe(values("RPATH")[0]);
        const imported = [...stdout.matchAll(/ UND ([^@\s]+)/g)].map(([, symbol]) => symbol);
        expect([...(await elf.imports())].sort(), path).toEqual([...new Set(imported)].sort());
      }
    });

    it("is of its machine in every file", () => {
      for (const [path, elf] of objects) expect(machineMatches(elf, platform), path).toBe(true);
      const others = roots.filter((one) => one.name !== name);
      for (const elf of objects.values()) {
        for (const other of others) expect(machineMatches(elf, other.platform)).toBe(false);
      }
    });

    it("has the same answer by its configuration, by our cache and by ldconfig's", async () => {
      await mkdir(join(root, "opt/moved"), { recursive: true });
      await writeFile(join(root, "etc/ld.so.conf"), "/opt/moved\ninclude /etc/ld.so.conf.d/*.conf\n");
      const [library] = [...objects].find(([, { soname }]) => soname === "libz.so.1") ?? [""];
      await writeFile(join(root, "opt/moved/libz.so.1.9"), await readFile(join(root, library)));
      await symlink("libz.so.1.9", join(root, "opt/moved/libz.so.1"));
      const bare = await treeOfDirectory(root);
      const made = await withLoaderCache(bare);
      const entry = made.get("/etc/ld.so.cache");
      if (entry?.type !== "file") throw new Error("no cache was made");
      const paths = [...objects].filter(([, elf]) => elf.interpreter !== undefined).map(([path]) => path);
      const compare = async (...loaders: readonly Loader[]): Promise<void> => {
        for (const [path, wanted] of await askLoader(root, interpreter, paths, { qemu, useCache: true })) {
          for (const loader of loaders) {
            const closure = await loader.closure(path);
            expect(closure && difference(wanted, answerOf(closure, interpreter)), path).toBeUndefined();
            moved ||= closure?.objects.some((object) => object.path === "/opt/moved/libz.so.1") ?? false;
          }
        }
      };
      let moved = false;
      await writeFile(join(root, "etc/ld.so.cache"), await readContent(entry.content));
      await compare(new Loader(made, { cache: "file" }), new Loader(bare, { cache: "configuration" }));
      expect(moved).toBe(true);
      if (qemu !== undefined) return;
      await run("ldconfig", ["-r", root]);
      await compare(new Loader(await treeOfDirectory(root), { cache: "file" }));
    });
  },
);
