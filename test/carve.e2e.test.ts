import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Carved, carve, installedOrigins, Reasons, standardEvidence } from "../src/carve/index.ts";
import { attributes, Tree, treeOf, treeOfDirectory, writeTree } from "../src/tree/index.ts";

const run = promisify(execFile);

/** Programs of this machine's Debian, how to see that they work, and what has to come of it. */
const programs = [
  { command: ["/usr/sbin/nginx", "-t", "-e", "stderr"], says: /test is successful/ },
  { command: ["bash", "-c", "echo $((6 * 7)) | sed s/4/x/"], says: /x2/, also: ["sed"] },
  { command: ["curl", "--version"], says: /^curl \d/ },
  { command: ["openssl", "version"], says: /^OpenSSL/ },
  { command: ["perl", "-e", "print 6 * 7"], says: /^42\n?$/ },
  { command: ["awk", "BEGIN { print 6 * 7 }"], says: /^42\n?$/ },
  { command: ["getent", "passwd", "root"], says: /^root:x:0:0:/ },
  { command: ["ldd", "/usr/bin/ldd"], says: /not a dynamic executable/, fails: true },
  { command: ["xz", "--version"], says: /liblzma/ },
  { command: ["tar", "--version"], says: /GNU tar/ },
] as const;

describe("programs of this machine, carved out of it", () => {
  let host: Tree;
  let carved: Carved;
  let root: string;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "whittle-carve-"));
    host = await hostTree();
    const named = programs.flatMap(({ command, ...more }) => [
      command,
      ...("also" in more ? [more.also] : []),
    ]);
    carved = await carve(
      host,
      named.map((command) => ({ command: [command[0]] })),
      standardEvidence(),
    );
    await writeTree(carved.tree, root, { owner: "keep" });
    for (const mount of ["dev", "proc"]) await mkdir(join(root, mount), { recursive: true });
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  it.each(programs)("runs $command in nothing but the carved tree", async ({ command, says, ...more }) => {
    const inside = `mount --bind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"`;
    const result = await run("unshare", ["--mount", "--fork", "sh", "-c", inside, root, ...command], {
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    }).catch((error: unknown) => {
      if ("fails" in more) return error as { stdout: string; stderr: string };
      throw error;
    });
    expect(result.stdout + result.stderr).toMatch(says);
  });

  it("misses nothing", () => {
    expect(carved.missing).toEqual([]);
  });

  it("has a chain of reasons from the person's word to every file", () => {
    const paths = [...carved.tree.entries()].map(([path]) => path);
    expect(paths.length).toBeGreaterThan(100);
    for (const path of paths) {
      const chain = carved.reasons.chain(path);
      expect(chain[0]?.how.kind, path).toBe("named");
      expect(chain.at(-1)?.to).toBe(path);
    }
  });

  it("changes nothing when carved again", async () => {
    const again = await carve(
      carved.tree,
      programs.map(({ command }) => ({ command: [command[0]] })),
      standardEvidence(),
    );
    const once = new Set([...carved.tree.entries()].map(([path]) => path));
    for (const [path] of again.tree.entries()) expect(once.has(path)).toBe(true);
  });

  it("writes its reasons in little room", () => {
    const text = JSON.stringify(carved.reasons);
    const dropped = carved.reasons.droppedPaths().size;
    expect(text.length / dropped).toBeLessThan(40);
    expect(JSON.stringify(Reasons.fromJSON(JSON.parse(text)))).toBe(text);
  });
});

/** The parts of this machine's root that programs come from, each entry with its package. */
async function hostTree(): Promise<Tree> {
  let tree = Tree.empty;
  for (const name of await readdir("/")) {
    const target = await readlink(`/${name}`).catch(() => undefined);
    if (target === undefined) continue;
    tree = tree.overlay(treeOf([[`/${name}`, { type: "symlink", ...attributes(0o777), target }]]));
  }
  for (const directory of [
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib64",
    "/etc",
    "/var/lib",
    "/var/log",
  ]) {
    tree = tree.place(await treeOfDirectory(directory), directory);
  }
  // What else is in it is of this moment.
  tree = tree.overlay(treeOf([["/run", { type: "directory", ...attributes(0o755) }]]));
  const origins = await installedOrigins(tree);
  return tree.map((path, entry) => {
    const origin = origins.get(path);
    return origin === undefined ? entry : { ...entry, origin };
  });
}
