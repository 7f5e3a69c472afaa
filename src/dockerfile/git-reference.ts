import { invalid } from "./place.ts";

/** A git repository that ADD or a build context names, and what of it is wanted. */
export interface GitReference {
  /** The address for git, without query and fragment. */
  readonly remote: string;
  /** The last part of the address without `.git`: the directory that the repository comes with. */
  readonly shortName: string;
  /** A commit, tag or branch. */
  readonly ref?: string;
  /** The commit that the ref must be. */
  readonly checksum?: string;
  /** A directory of the repository. */
  readonly subdirectory?: string;
  /** It could as well be a path: `github.com/…`. Only build contexts take this form. */
  readonly looksLocal?: boolean;
  /** The connection is neither encrypted nor authenticated. */
  readonly unencrypted?: boolean;
  readonly keepGitDir?: boolean;
  readonly submodules?: boolean;
  /** What modification times are taken from. */
  readonly mtime?: "commit" | "checkout";
  readonly fetchByCommit?: boolean;
}

type Draft = { -readonly [Key in keyof GitReference]: GitReference[Key] };

interface Address {
  readonly scheme: string;
  readonly remote: string;
  readonly path: string;
  readonly query: string;
  readonly fragment: string;
}

/**
 * Reads the address of a git repository: `https://….git`, `git://…`, `ssh://…`, `git@host:path` or `github.com/…`,
 * with `#ref:directory` or a query behind it.
 *
 * @returns undefined when it is something else: a path, or an address of another kind
 * @throws WhittleError `DOCKERFILE_INVALID` when what it wants contradicts itself or is unknown
 */
export function parseGitReference(text: string): GitReference | undefined {
  const address = addressOf(text);
  if (address === undefined) return undefined;
  const isHttp = address.scheme === "http" || address.scheme === "https";
  const looksLocal = address.scheme === "";
  if (isHttp && !address.path.endsWith(".git")) return undefined;
  const [ref = "", subdirectory = ""] = cut(address.fragment, ":");
  const reference: Draft = {
    remote: address.remote,
    shortName: (address.remote.split("/").at(-1) ?? "").replace(/\.git$/, ""),
    ...(ref === "" ? {} : { ref }),
    ...(subdirectory === "" ? {} : { subdirectory }),
    ...(looksLocal ? { looksLocal } : {}),
    ...(address.scheme === "http" || address.scheme === "git" ? { unencrypted: true } : {}),
  };
  readQuery(reference, address.query, text);
  return reference;
}

/** A reference as one address with its ref in the fragment. */
export function formatGitReference(
  reference: GitReference,
  options: { readonly subdirectory?: boolean } = {},
): string {
  const wanted = options.subdirectory === true ? (reference.subdirectory ?? "") : "";
  const directory = wanted.replace(/^\/+/, "");
  const fragment = `${reference.ref ?? ""}${directory === "" ? "" : `:${directory}`}`;
  return fragment === "" ? reference.remote : `${reference.remote}#${fragment}`;
}

function addressOf(text: string): Address | undefined {
  if (text.startsWith("./") || text.startsWith("../")) return undefined;
  const [beforeFragment, fragment] = cut(text, "#");
  const [remote, query] = cut(beforeFragment, "?");
  const parts = { remote, query, fragment };
  if (text.startsWith("github.com/")) return { ...parts, scheme: "", path: remote };
  const scheme = /^([a-z0-9]+):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined) {
    if (!["http", "https", "ssh", "git"].includes(scheme)) return undefined;
    return { ...parts, scheme, path: remote.slice(scheme.length + 3) };
  }
  // The form of scp: no port, and no "//" that would make it an address of an unknown kind.
  const path = /^(?:[\w-]+@)?[a-z0-9.-]+:(?!\/\/)(.*)$/i.exec(remote)?.[1];
  return path === undefined ? undefined : { ...parts, scheme: "ssh", path };
}

function cut(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function readQuery(reference: Draft, query: string, text: string): void {
  const refuse = (reason: string): never => {
    throw invalid(`Cannot use the git repository ${text}: ${reason}`);
  };
  const values = new URLSearchParams(query);
  const names = new Set(values.keys());
  for (const name of names) {
    const [value = "", ...others] = values.getAll(name);
    if (others.length > 0) refuse(`query ${JSON.stringify(name)} has multiple values`);
    setOption(reference, name, value, refuse);
  }
  setRef(reference, values.get("tag"), values.get("branch"), refuse);
  if (reference.checksum !== undefined && reference.fetchByCommit !== true) {
    reference.ref ??= reference.checksum;
  }
}

type Refuse = (reason: string) => never;

const flags = {
  "keep-git-dir": "keepGitDir",
  submodules: "submodules",
  "fetch-by-commit": "fetchByCommit",
} as const;

function setOption(reference: Draft, name: string, value: string, refuse: Refuse): void {
  if (Object.hasOwn(flags, name)) {
    const truth = /^(?:|1|t|true)$/i.test(value);
    if (!truth && !/^(?:0|f|false)$/i.test(value)) refuse(`invalid ${name} value: ${JSON.stringify(value)}`);
    reference[flags[name as keyof typeof flags]] = truth;
    return;
  }
  if (!["ref", "tag", "branch", "subdir", "checksum", "commit", "mtime"].includes(name)) {
    refuse(`unexpected query ${JSON.stringify(name)}`);
  }
  if (value === "") refuse(`query ${JSON.stringify(name)} has no value`);
  if (name === "ref") setOnce(reference, "ref", value, refuse);
  else if (name === "subdir") setOnce(reference, "subdirectory", value, refuse);
  else if (name === "checksum" || name === "commit") reference.checksum = value;
  else if (name === "mtime") {
    if (value !== "commit" && value !== "checkout") refuse(`invalid mtime value: ${JSON.stringify(value)}`);
    reference.mtime = value === "commit" ? "commit" : "checkout";
  }
}

function setRef(reference: Draft, tag: string | null, branch: string | null, refuse: Refuse): void {
  if (tag !== null) setOnce(reference, "ref", withPrefix(tag, "refs/tags/"), refuse);
  if (branch === null) return;
  if (tag !== null) refuse("branch conflicts with tag");
  setOnce(reference, "ref", withPrefix(branch, "refs/heads/"), refuse);
}

function withPrefix(name: string, prefix: string): string {
  return name.startsWith(prefix) ? name : prefix + name;
}

function setOnce(reference: Draft, key: "ref" | "subdirectory", value: string, refuse: Refuse): void {
  const before = reference[key];
  if (before !== undefined && before !== value) {
    const shown = key === "ref" ? "ref" : "subdir";
    refuse(`${shown} conflicts: ${JSON.stringify(before)} vs ${JSON.stringify(value)}`);
  }
  reference[key] = value;
}
