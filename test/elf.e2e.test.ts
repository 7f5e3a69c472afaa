import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ElfFile, Loader, machineMatches } from "../src/elf/index.ts";
import { type Tree, type TreePath, treeOfDirectory } from "../src/tree/index.ts";
import { answerOf, askLoader, difference, dynamicObjects } from "./loader-answers.ts";

const run = promisify(execFile);
const buffer = 64 * 1024 * 1024;

// Between them: RUNPATH of a private directory, libraries that open others, many small ones, a big one.
const packages = ["base-files", "busybox", "nginx-light", "systemd", "samba-libs", "libpython3.13-stdlib"];

const roots = [
  {
    name: "amd64",
    platform: { architecture: "amd64" },
    interpreter: "/lib64/ld-linux-x86-64.so.2",
    qemu: undefined,
  },
  {
    name: "s390x",
    platform: { architecture: "s390x" },
    interpreter: "/lib/ld64.so.1",
    qemu: "/usr/bin/qemu-s390x-static",
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

describe.each(roots)("a Debian root for $name", ({ name, platform, interpreter, qemu }) => {
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
    expect(complete).toBeGreaterThan(250);
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

  it.runIf(qemu === undefined)(
    "has the same answer by ldconfig's cache as by its configuration",
    async () => {
      await mkdir(join(root, "opt/moved"), { recursive: true });
      await writeFile(join(root, "etc/ld.so.conf"), "/opt/moved\ninclude /etc/ld.so.conf.d/*.conf\n");
      const library = "usr/lib/x86_64-linux-gnu/libz.so.1";
      await writeFile(join(root, "opt/moved/libz.so.1.9"), await readFile(join(root, library)));
      await symlink("libz.so.1.9", join(root, "opt/moved/libz.so.1"));
      const configured = new Loader(await treeOfDirectory(root));
      await run("ldconfig", ["-r", root]);
      const cached = new Loader(await treeOfDirectory(root), { cache: "file" });
      const paths = [...objects].filter(([, elf]) => elf.interpreter !== undefined).map(([path]) => path);
      const answers = await askLoader(root, interpreter, paths, { useCache: true });
      let moved = 0;
      for (const [path, wanted] of answers) {
        for (const loader of [configured, cached]) {
          const closure = await loader.closure(path);
          expect(closure && difference(wanted, answerOf(closure, interpreter)), path).toBeUndefined();
          if (closure?.objects.some((object) => object.path === "/opt/moved/libz.so.1")) moved++;
        }
      }
      expect(moved).toBeGreaterThan(10);
    },
  );
});
