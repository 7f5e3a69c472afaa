import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hostPlatform, openImage, readTree } from "../src/image/index.ts";
import { quietWork } from "../src/io/index.ts";
import { buildDockerfile } from "../src/project/index.ts";
import { openStore } from "../src/store/index.ts";
import { type GitServer, git, serveGit } from "./git-server.ts";
import { type Finished, temporary, whittle } from "./program.ts";

let directory: string;
let repositories: GitServer;
let files: Server;
let address: string;
let commit: string;
const asked: string[] = [];

beforeAll(async () => {
  directory = temporary();
  const work = join(directory, "work");
  mkdirSync(join(work, "sub"), { recursive: true });
  git(directory, "init", "-q", "-b", "main", work);
  writeFileSync(join(work, "README"), "read me\n");
  writeFileSync(join(work, "sub/run"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(work, "sub/Dockerfile"), "FROM scratch\nCOPY . /\n");
  git(work, "add", ".");
  git(work, "commit", "-qm", "one");
  git(work, "tag", "v1");
  commit = git(work, "rev-parse", "HEAD");
  git(directory, "clone", "-q", "--bare", work, "served/project.git");
  repositories = await serveGit(join(directory, "served"));
  execFileSync("tar", ["-C", work, "-cf", join(directory, "sub.tar"), "sub"]);
  const archive = execFileSync("cat", [join(directory, "sub.tar")]);
  files = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers["if-none-match"] ?? ""}`.trim());
    if (request.headers["if-none-match"] === '"one"') response.writeHead(304).end();
    else response.setHeader("etag", '"one"').end(request.url?.endsWith(".tar") ? archive : "hello\n");
  });
  await new Promise<void>((resolve) => files.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(files.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await repositories.close();
  files.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Builds a Dockerfile of these lines; the files of its layer, one line each. */
async function build(name: string, ...lines: readonly string[]): Promise<Finished & { files: string[] }> {
  const context = join(directory, name);
  mkdirSync(context, { recursive: true });
  writeFileSync(join(context, "Dockerfile"), ["FROM scratch", ...lines, ""].join("\n"));
  const out = join(directory, `${name}.tar`);
  const environment = { XDG_CACHE_HOME: join(directory, `cache-${name}`), SOURCE_DATE_EPOCH: "0" };
  const done = await whittle(
    join(directory, `store-${name}`),
    ["build", "-o", `type=tar,dest=${out}`, context],
    {
      env: { ...process.env, ...environment },
    },
  );
  if (done.status !== 0) return { ...done, files: [] };
  const listing = execFileSync("tar", ["--numeric-owner", "--utc", "-tvf", out], { encoding: "utf8" });
  return {
    ...done,
    files: listing
      .trim()
      .split("\n")
      .map((line) => line.replace(/\s+/g, " ")),
  };
}

describe("ADD of a git repository", () => {
  it("brings its files to the destination", async () => {
    const remote = `${repositories.address}/project.git`;
    const { stderr, files: found } = await build(
      "whole",
      `ADD ${remote}#v1 /src/`,
      `ADD --chown=7:8 ${remote}#main:sub /sub`,
    );
    expect(stderr).not.toContain("Error");
    expect(found).toEqual([
      "drwxr-xr-x 0/0 0 1970-01-01 00:00 src/",
      "-rw-r--r-- 0/0 8 2023-11-14 22:13 src/README",
      "drwxr-xr-x 0/0 0 2023-11-14 22:13 src/sub/",
      "-rw-r--r-- 0/0 22 2023-11-14 22:13 src/sub/Dockerfile",
      "-rwxr-xr-x 0/0 10 2023-11-14 22:13 src/sub/run",
      "drwxr-xr-x 7/8 0 1970-01-01 00:00 sub/",
      "-rw-r--r-- 7/8 22 2023-11-14 22:13 sub/Dockerfile",
      "-rwxr-xr-x 7/8 10 2023-11-14 22:13 sub/run",
    ]);
  });

  it("keeps the repository when asked", async () => {
    const { files: found } = await build(
      "kept",
      `ADD --keep-git-dir --checksum=${commit.slice(0, 9)} ${repositories.address}/project.git#v1 /src`,
    );
    expect(found.map((line) => line.split(" ").at(-1))).toEqual(
      expect.arrayContaining(["src/.git/HEAD", "src/README"]),
    );
  });

  it("asks which commit is meant, and fetches that once", async () => {
    const line = `ADD ${repositories.address}/project.git /src`;
    const first = await build("again", line);
    repositories.requests.splice(0);
    const second = await build("again", line);
    expect(second.files).toEqual(first.files);
    expect(repositories.requests.filter((request) => request.line.startsWith("POST")).length).toBeLessThan(2);
  });

  it.each([
    ["COPY {git} /src", "source can't be a git ref for COPY"],
    ["ADD --checksum=foobar {git} /src", "invalid checksum foobar"],
    ["ADD --checksum=0123456 {git} /src", "expected checksum to match 0123456"],
    ["ADD {git}#none /src", "repository does not contain ref none"],
    ["ADD {git}#main:none /src", "the repository has no such directory"],
    ["ADD --keep-git-dir=false {git}?keep-git-dir=true /src", "inconsistent keep-git-dir configuration"],
    ["ADD git@127.0.0.1:project.git /src", "--ssh default"],
  ])("%s is refused with its place", async (line, message) => {
    const done = await build("wrong", line.replace("{git}", `${repositories.address}/project.git`));
    expect(done.status).not.toBe(0);
    expect(done.stderr).toContain(message);
    expect(done.stderr).toContain("Dockerfile:2:");
  });
});

describe("a git repository as the context", () => {
  it("holds the Dockerfile and what it copies", async () => {
    const remote = `${repositories.address}/project.git`;
    const environment = { ...process.env, XDG_CACHE_HOME: join(directory, "cache-context") };
    const store = await openStore(join(directory, "store-context"), { create: true });
    const build = (context: string) =>
      buildDockerfile({ ...quietWork, store, environment, context, name: "image" });
    const { descriptor } = await build(`${remote}#v1:sub`);
    const image = await openImage(store, descriptor, hostPlatform());
    const tree = await readTree(image, { unpacked: join(directory, "unpacked"), work: quietWork });
    expect([...tree.entries()].map(([path]) => path)).toEqual(["/Dockerfile", "/run"]);
    await expect(build(remote)).rejects.toThrow("the context has no Dockerfile");
    await expect(build(`${remote}#none`)).rejects.toThrow("repository does not contain ref none");
  });
});

describe("ADD of a URL", () => {
  it("brings the file, and asks next time whether it has changed", async () => {
    const lines = [`ADD ${address}/dir/a%20file.txt?token=x /`, `ADD --chmod=644 ${address}/b /renamed`];
    const first = await build("file", ...lines);
    expect(first.files).toEqual([
      "-rw------- 0/0 6 1970-01-01 00:00 a file.txt",
      "-rw-r--r-- 0/0 6 1970-01-01 00:00 renamed",
    ]);
    asked.splice(0);
    expect((await build("file", ...lines)).files).toEqual(first.files);
    expect(asked.sort()).toEqual(['GET /b "one"', 'GET /dir/a%20file.txt?token=x "one"']);
  });

  it("takes an archive apart when asked, and only then", async () => {
    const { files: found } = await build(
      "archive",
      `ADD --unpack ${address}/sub.tar /a/`,
      `ADD ${address}/sub.tar /b/`,
    );
    expect(found.map((line) => line.split(" ").at(-1))).toEqual([
      "a/",
      "a/sub/",
      "a/sub/Dockerfile",
      "a/sub/run",
      "b/",
      "b/sub.tar",
    ]);
  });
});
