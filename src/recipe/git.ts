import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Variables } from "./variables.ts";

/**
 * What a git checkout says of itself, read from its files and not by running git (which refuses checkouts of
 * other users): `git.revision`, `git.branch`, `git.tag` and `git.url` (of the remote `origin`, without
 * credentials, as an address a browser opens). Outside a checkout nothing is known.
 *
 * Sources: gitrepository-layout(5), git-worktree(1).
 */
export async function gitVariables(directory: string): Promise<Variables> {
  const git = await gitDirectory(directory);
  if (git === undefined) return {};
  const common = resolve(git, (await text(join(git, "commondir"))) ?? ".");
  const head = (await text(join(git, "HEAD"))) ?? "";
  const branch = /^ref: (refs\/heads\/(.+))$/.exec(head);
  const packed = (await text(join(common, "packed-refs"))) ?? "";
  const revision = branch === null ? head : await reference(git, common, packed, branch[1] ?? "");
  const url = webAddress((await text(join(common, "config"))) ?? "");
  const known = revision !== undefined && /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(revision);
  return {
    ...(known ? { "git.revision": revision } : {}),
    ...(branch?.[2] === undefined ? {} : { "git.branch": branch[2] }),
    ...(url === undefined ? {} : { "git.url": url }),
    ...(known ? tagOf(packed, revision) : {}),
  };
}

async function gitDirectory(directory: string): Promise<string | undefined> {
  for (let at = resolve(directory); ; at = dirname(at)) {
    const candidate = join(at, ".git");
    const found = await stat(candidate).catch(() => undefined);
    if (found?.isDirectory()) return candidate;
    if (found?.isFile()) {
      const pointer = /^gitdir: (.+)$/.exec((await text(candidate)) ?? "");
      if (pointer?.[1] !== undefined) return resolve(at, pointer[1]);
    }
    if (dirname(at) === at) return undefined;
  }
}

async function text(path: string): Promise<string | undefined> {
  return (await readFile(path, "utf8").catch(() => undefined))?.trimEnd();
}

async function reference(
  git: string,
  common: string,
  packed: string,
  name: string,
): Promise<string | undefined> {
  const loose = (await text(join(git, name))) ?? (await text(join(common, name)));
  if (loose !== undefined) return loose;
  const line = packed.split("\n").find((candidate) => candidate.endsWith(` ${name}`));
  return line?.split(" ")[0];
}

/** The highest-sorting packed tag of a revision; an annotated tag names its commit in the `^` line below it. */
function tagOf(packed: string, revision: string): Variables {
  const lines = packed.split("\n");
  const tags = lines.flatMap((line, index) => {
    const match = /^([0-9a-f]+) refs\/tags\/(.+)$/.exec(line);
    if (match === null) return [];
    const peeled = /^\^([0-9a-f]+)$/.exec(lines[index + 1] ?? "")?.[1];
    return (peeled ?? match[1]) === revision ? [match[2] ?? ""] : [];
  });
  const tag = tags.sort().at(-1);
  return tag === undefined ? {} : { "git.tag": tag };
}

/** The address of the remote `origin` as people open it, without credentials; local paths are nobody's business. */
function webAddress(config: string): string | undefined {
  const section = /\[remote "origin"\]([^[]*)/.exec(config)?.[1];
  const url = /^\s*url\s*=\s*(\S+)\s*$/m.exec(section ?? "")?.[1];
  if (url === undefined) return undefined;
  const ssh = /^(?:ssh:\/\/)?[^@/\s]+@([^:/\s]+)[:/](.+?)(?:\.git)?$/.exec(url);
  if (ssh !== null) return `https://${ssh[1]}/${ssh[2]}`;
  const web = /^(https?:\/\/)(?:[^@/\s]+@)?(.+?)(?:\.git)?$/.exec(url);
  return web === null ? undefined : `${web[1]}${web[2]}`;
}
