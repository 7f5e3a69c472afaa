import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gitVariables } from "./git.ts";

let directory = "";
let revision = "";

function git(...words: string[]): string {
  const environment = {
    PATH: process.env["PATH"],
    HOME: directory,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "a",
    GIT_AUTHOR_EMAIL: "a@example.org",
    GIT_COMMITTER_NAME: "a",
    GIT_COMMITTER_EMAIL: "a@example.org",
  };
  return execFileSync("git", words, {
    cwd: join(directory, "checkout"),
    env: environment,
    encoding: "utf8",
  }).trim();
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "whittle-git-"));
  mkdirSync(join(directory, "checkout/below"), { recursive: true });
  git("init", "-q", "-b", "main");
  writeFileSync(join(directory, "checkout/file"), "x");
  git("add", "file");
  git("commit", "-q", "-m", "first");
  revision = git("rev-parse", "HEAD");
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("gitVariables", () => {
  it("knows nothing outside a checkout", async () => {
    expect(await gitVariables(tmpdir())).toEqual({});
  });

  it("reads revision and branch, from below the top too", async () => {
    const expected = { "git.revision": revision, "git.branch": "main" };
    expect(await gitVariables(join(directory, "checkout"))).toEqual(expected);
    expect(await gitVariables(join(directory, "checkout/below"))).toEqual(expected);
  });

  it("reads packed references, tags and a remote without its credentials", async () => {
    git("tag", "-a", "v1.0", "-m", "one");
    git("pack-refs", "--all");
    git("remote", "add", "origin", "https://user:secret@example.org/team/app.git");
    expect(await gitVariables(join(directory, "checkout"))).toEqual({
      "git.revision": revision,
      "git.branch": "main",
      "git.tag": "v1.0",
      "git.url": "https://example.org/team/app",
    });
    git("remote", "set-url", "origin", "git@example.org:team/app.git");
    expect((await gitVariables(join(directory, "checkout")))["git.url"]).toBe("https://example.org/team/app");
    git("remote", "set-url", "origin", "/somewhere/local");
    expect((await gitVariables(join(directory, "checkout")))["git.url"]).toBeUndefined();
  });

  it("reads a worktree", async () => {
    git("worktree", "add", "-q", "-b", "side", "../side");
    expect(await gitVariables(join(directory, "side"))).toMatchObject({
      "git.revision": revision,
      "git.branch": "side",
    });
  });

  it("reads a detached head", async () => {
    git("checkout", "-q", "--detach");
    const found = await gitVariables(join(directory, "checkout"));
    expect(found["git.revision"]).toBe(revision);
    expect(found["git.branch"]).toBeUndefined();
  });
});
