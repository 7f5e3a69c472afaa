import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { collectGit, fetchGit, type GitLocal, treeDigest } from "../src/build/index.ts";
import { quietWork, readText } from "../src/io/index.ts";
import { openAgent } from "../src/sandbox/index.ts";
import type { Tree } from "../src/tree/index.ts";
import { type GitServer, git, serveGit } from "./git-server.ts";

let directory: string;
let server: GitServer;
let caches = 0;
const commits: Record<string, string> = {};

/** With a cache of its own, so that nothing is known. */
function local(more: Partial<GitLocal> = {}): GitLocal {
  const cacheDirectory = join(directory, `cache-${caches++}`);
  return { environment: { PATH: process.env["PATH"], HOME: "/nonexistent" }, cacheDirectory, ...more };
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "whittle-git-"));
  const work = join(directory, "work");
  mkdirSync(join(work, "sub/dir"), { recursive: true });
  git(directory, "init", "-q", "-b", "main", work);
  writeFileSync(join(work, "README"), "first\n");
  writeFileSync(join(work, "sub/run"), "#!/bin/sh\n");
  chmodSync(join(work, "sub/run"), 0o755);
  symlinkSync("../README", join(work, "sub/link"));
  symlinkSync("sub", join(work, "elsewhere"));
  git(work, "add", ".");
  git(work, "commit", "-qm", "one");
  commits["first"] = git(work, "rev-parse", "HEAD");
  git(work, "tag", "light");
  git(work, "tag", "-a", "-m", "a tag", "heavy");
  commits["tag"] = git(work, "rev-parse", "heavy");
  git(work, "branch", "side");
  writeFileSync(join(work, "README"), "second\n");
  git(work, "commit", "-qam", "two");
  commits["second"] = git(work, "rev-parse", "HEAD");
  git(work, "branch", "same");
  git(work, "tag", "same", "light");
  git(directory, "clone", "-q", "--bare", work, "served/project.git");
  git(directory, "init", "-q", "-b", "main", "outer");
  git(
    join(directory, "outer"),
    "submodule",
    "--quiet",
    "add",
    join(directory, "served/project.git"),
    "inner",
  );
  git(join(directory, "outer"), "config", "-f", ".gitmodules", "submodule.inner.url", "../project.git");
  git(join(directory, "outer"), "commit", "-qam", "with a submodule");
  git(directory, "clone", "-q", "--bare", "outer", "served/outer.git");
  git(
    join(directory, "outer"),
    "config",
    "-f",
    ".gitmodules",
    "submodule.inner.url",
    join(directory, "served/project.git"),
  );
  git(join(directory, "outer"), "commit", "-qam", "with a submodule of this machine");
  git(directory, "clone", "-q", "--bare", "outer", "served/sneaky.git");
  server = await serveGit(join(directory, "served"));
});
afterAll(async () => {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});
afterEach(() => server.requests.splice(0));

async function described(tree: Tree): Promise<Record<string, string>> {
  const shown: Record<string, string> = {};
  for (const [path, entry] of tree.entries()) {
    const what =
      entry.type === "file"
        ? JSON.stringify(await readText(entry.content))
        : entry.type === "symlink"
          ? `-> ${entry.target}`
          : entry.type;
    shown[path] = `${entry.mode.toString(8)} ${entry.uid}:${entry.gid} ${entry.mtime} ${what}`;
  }
  return shown;
}

const files = (readme: string): Record<string, string> => ({
  "/README": `644 0:0 1700000000 ${JSON.stringify(`${readme}\n`)}`,
  "/elsewhere": "777 0:0 1700000000 -> sub",
  "/sub": "755 0:0 1700000000 directory",
  "/sub/link": "777 0:0 1700000000 -> ../README",
  "/sub/run": '755 0:0 1700000000 "#!/bin/sh\\n"',
});

describe("a git repository over HTTP", () => {
  const project = (): string => `${server.address}/project.git`;

  it("gives the default branch", async () => {
    const { tree, commit } = await fetchGit({ remote: project() }, local(), quietWork);
    expect(commit).toBe(commits["second"]);
    expect(await described(tree)).toEqual(files("second"));
  });

  it("gives branches, tags of both kinds, full names and commits", async () => {
    const shared = local();
    const first = commits["first"] ?? "";
    for (const ref of ["side", "light", "heavy", "refs/tags/heavy", "heads/side", first]) {
      const { tree, commit } = await fetchGit({ remote: project(), ref }, shared, quietWork);
      expect([ref, commit]).toEqual([ref, first]);
      expect(await described(tree)).toEqual(files("first"));
    }
    // A branch goes before a tag of the same name.
    expect((await fetchGit({ remote: project(), ref: "same" }, shared, quietWork)).commit).toBe(
      commits["second"],
    );
  });

  it("fetches one commit without its history, and that once", async () => {
    const shared = local();
    const commit = commits["second"] ?? "";
    await fetchGit({ remote: project(), ref: commit }, shared, quietWork);
    const asked = server.requests.length;
    expect(asked).toBeGreaterThan(0);
    await fetchGit({ remote: project(), ref: commit }, shared, quietWork);
    expect(server.requests).toHaveLength(asked);
    const [repository = ""] = readdirSync(join(shared.cacheDirectory, "git")).filter((name) =>
      name.endsWith("-sha1"),
    );
    const kept = join(shared.cacheDirectory, "git", repository);
    expect(git(kept, "rev-list", "--all", "--count")).toBe("1");
  });

  it("gives a directory of it, and none that a link leads to", async () => {
    const shared = local();
    const { tree } = await fetchGit({ remote: project(), subdirectory: "/sub" }, shared, quietWork);
    expect(Object.keys(await described(tree))).toEqual(["/link", "/run"]);
    for (const subdirectory of ["elsewhere", "README", "missing", "../..", "sub/../sub"]) {
      await expect(fetchGit({ remote: project(), subdirectory }, shared, quietWork)).rejects.toThrow(
        "the repository has no such directory",
      );
    }
  });

  it("holds a commit or an annotated tag to a checksum", async () => {
    const shared = local();
    const { first = "", tag = "", second = "" } = commits;
    for (const checksum of [first, first.slice(0, 7), tag, first.toUpperCase()]) {
      await fetchGit({ remote: project(), ref: "heavy", checksum }, shared, quietWork);
    }
    const wrong = fetchGit({ remote: project(), ref: "heavy", checksum: second }, shared, quietWork);
    await expect(wrong).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
      message: expect.stringContaining(`expected checksum to match ${second}, got ${tag} or ${first}`),
    });
    await expect(
      fetchGit({ remote: project(), ref: first, checksum: second.slice(0, 8) }, shared, quietWork),
    ).rejects.toThrow("expected checksum to match");
    await expect(fetchGit({ remote: project(), checksum: "foobar" }, shared, quietWork)).rejects.toThrow(
      "invalid checksum foobar",
    );
  });

  it("says which ref or commit is not there", async () => {
    await expect(fetchGit({ remote: project(), ref: "none" }, local(), quietWork)).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining("repository does not contain ref none"),
    });
    const ref = "0123456789".repeat(4);
    await expect(fetchGit({ remote: project(), ref }, local(), quietWork)).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining(`does not contain commit ${ref}`),
    });
    await expect(
      fetchGit({ remote: `${server.address}/none.git` }, local(), quietWork),
    ).rejects.toMatchObject({
      code: "NETWORK",
    });
  });

  it("keeps a repository that git reads, the same bytes every time", async () => {
    const request = { remote: project(), ref: "heavy", keepGitDir: true };
    const { tree } = await fetchGit(request, local(), quietWork);
    const again = await fetchGit(request, local(), quietWork);
    expect(await treeDigest(again.tree)).toBe(await treeDigest(tree));
    const shared = local();
    await fetchGit(request, shared, quietWork);
    const [name = ""] = readdirSync(join(shared.cacheDirectory, "git/files"));
    const place = join(shared.cacheDirectory, "git/files", name, "files");
    expect(git(place, "status", "--porcelain")).toBe("");
    expect(git(place, "rev-parse", "HEAD")).toBe(commits["first"]);
    expect(git(place, "describe", "--tags")).toBe("heavy");
    expect(git(place, "remote", "get-url", "origin")).toBe(project());
    expect(tree.get("/.git/HEAD")?.mode).toBe(0o644);
  });

  it("fetches submodules, from the network only", async () => {
    const { tree } = await fetchGit({ remote: `${server.address}/outer.git` }, local(), quietWork);
    expect(Object.keys(await described(tree))).toEqual([
      ...["/.gitmodules", "/inner", "/inner/README", "/inner/elsewhere"],
      ...["/inner/sub", "/inner/sub/link", "/inner/sub/run"],
    ]);
    const without = { remote: `${server.address}/outer.git`, submodules: false };
    expect(Object.keys(await described((await fetchGit(without, local(), quietWork)).tree))).toEqual([
      "/.gitmodules",
      "/inner",
    ]);
    const kept = { remote: `${server.address}/outer.git`, keepGitDir: true };
    const place = local();
    const repository = (await fetchGit(kept, place, quietWork)).tree;
    expect((await described(repository))["/inner/.git"]).toContain("gitdir: ../.git/modules/inner");
    await expect(fetchGit({ remote: `${server.address}/sneaky.git` }, local(), quietWork)).rejects.toThrow(
      /transport 'file' not allowed/,
    );
  });

  it("runs nothing that a repository or the machine says", async () => {
    const home = join(directory, "home");
    mkdirSync(join(home, "hooks"), { recursive: true });
    const ran = join(directory, "ran");
    writeFileSync(join(home, "hooks/post-checkout"), `#!/bin/sh\ntouch ${ran}\n`, { mode: 0o755 });
    writeFileSync(
      join(home, ".gitconfig"),
      `[core]\nhooksPath = ${home}/hooks\n[url "${directory}/no"]\ninsteadOf = http\n`,
    );
    const environment = {
      PATH: process.env["PATH"],
      HOME: home,
      GIT_DIR: directory,
      GIT_SSH_COMMAND: `touch ${ran}`,
    };
    await fetchGit({ remote: project() }, local({ environment }), quietWork);
    expect(() => readFileSync(ran)).toThrow("ENOENT");
  });

  it("shows a token to the server and to nobody else", async () => {
    const token = "a-token-of-the-test";
    const basic = `basic ${Buffer.from(`x-access-token:${token}`).toString("base64")}`;
    const guarded = await serveGit(join(directory, "served"), { authorization: basic });
    const remote = `${guarded.address}/project.git`;
    const secret = async (id: string): Promise<Uint8Array | undefined> =>
      id === "GIT_AUTH_TOKEN" ? Buffer.from(`${token}\n`) : undefined;
    const place = local({ secret });
    await expect(fetchGit({ remote }, local(), quietWork)).rejects.toMatchObject({ code: "NETWORK" });
    expect((await fetchGit({ remote, keepGitDir: true }, place, quietWork)).commit).toBe(commits["second"]);
    await guarded.close();
    expect(holds(place.cacheDirectory, token)).toEqual([]);
    expect(holds(place.cacheDirectory, basic.slice(6))).toEqual([]);
  });

  it("is fetched whole where the server cannot do less", async () => {
    git(join(directory, "served/project.git"), "update-server-info");
    const dumb = await serveGit(join(directory, "served"), { dumb: true });
    for (const request of [{ ref: "side" }, { ref: commits["first"] ?? "" }]) {
      const { tree } = await fetchGit(
        { remote: `${dumb.address}/project.git`, ...request },
        local(),
        quietWork,
      );
      expect(await described(tree)).toEqual(files("first"));
    }
    await dumb.close();
  });

  it("goes on after a repository of the cache was left locked", async () => {
    const shared = local();
    await fetchGit({ remote: project(), ref: "side" }, shared, quietWork);
    const names = readdirSync(join(shared.cacheDirectory, "git")).filter((name) => name.endsWith("-sha1"));
    writeFileSync(join(shared.cacheDirectory, "git", names[0] ?? "", "shallow.lock"), "");
    expect((await fetchGit({ remote: project() }, shared, quietWork)).commit).toBe(commits["second"]);
  });

  it("may name its commits by SHA-256", async () => {
    const work = join(directory, "work256");
    git(directory, "init", "-q", "-b", "main", "--object-format=sha256", work);
    writeFileSync(join(work, "README"), "long names\n");
    git(work, "add", ".");
    git(work, "commit", "-qm", "one");
    git(directory, "clone", "-q", "--bare", work, "served/long.git");
    const remote = `${server.address}/long.git`;
    const { tree, commit } = await fetchGit({ remote, keepGitDir: true }, local(), quietWork);
    expect(commit).toHaveLength(64);
    expect((await described(tree))["/README"]).toContain("long names");
    expect((await fetchGit({ remote, ref: commit }, local(), quietWork)).commit).toBe(commit);
  });

  it("is kept for an hour at least, and then as long as is wanted", async () => {
    const place = local();
    await fetchGit({ remote: project() }, place, quietWork);
    const all = join(place.cacheDirectory, "git");
    expect(await collectGit(place.cacheDirectory, { keepFor: 0 })).toBe(0);
    const old = new Date(Date.now() - 7_200_000);
    const names = readdirSync(all).filter((name) => name.endsWith("-sha1"));
    for (const name of [...names, `files/${readdirSync(join(all, "files"))[0]}`])
      utimesSync(join(all, name), old, old);
    expect(await collectGit(place.cacheDirectory, { keepFor: 86_400_000 })).toBe(0);
    expect(await collectGit(place.cacheDirectory, { keepFor: 0, dryRun: true })).toBe(2);
    expect(await collectGit(place.cacheDirectory, { keepFor: 0 })).toBe(2);
    expect(readdirSync(join(all, "files"))).toEqual([]);
    await fetchGit({ remote: project() }, place, quietWork);
  });

  it("is given up at once on a signal", async () => {
    const controller = new AbortController();
    const silent = createServer(() => controller.abort());
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const remote = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/project.git`;
    const work = { ...quietWork, signal: controller.signal };
    await expect(fetchGit({ remote }, local(), work)).rejects.toMatchObject({ name: "AbortError" });
    silent.closeAllConnections();
    silent.close();
  });
});

/** The files below a directory that hold a text. */
function holds(place: string, text: string): string[] {
  const names = readdirSync(place, { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text));
}

describe("a git repository over ssh", () => {
  it("needs an agent", async () => {
    for (const remote of ["git@example.invalid:a/b.git", "ssh://git@example.invalid/a/b.git"]) {
      await expect(fetchGit({ remote }, local(), quietWork)).rejects.toMatchObject({
        code: "NOT_FOUND",
        hint: expect.stringContaining("--ssh default"),
      });
    }
  });

  it("is reached by ssh alone, with the agent's keys alone", async () => {
    const bin = join(directory, "bin");
    mkdirSync(bin);
    const told = join(directory, "told");
    const script = `#!/bin/sh\nprintf '%s\\n' "$@" "agent $([ -S "$SSH_AUTH_SOCK" ] && echo there)" >> ${told}\nfor last; do :; done\ncd ${directory}/served && eval "exec $last"\n`;
    writeFileSync(join(bin, "ssh"), script, { mode: 0o755 });
    const environment = { PATH: `${bin}:${process.env["PATH"]}`, HOME: "/nonexistent" };
    const agent = async () => await openAgent([], false);
    const { commit } = await fetchGit(
      { remote: "git@example.invalid:project.git" },
      local({ environment, agent }),
      quietWork,
    );
    expect(commit).toBe(commits["second"]);
    const lines = readFileSync(told, "utf8").split("\n");
    for (const line of [
      "BatchMode=yes",
      "IdentityFile=none",
      "/dev/null",
      "git@example.invalid",
      "agent there",
    ]) {
      expect(lines).toContain(line);
    }
  });
});
