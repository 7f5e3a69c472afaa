import { readElf } from "../elf/index.ts";
import { type Content, readContent } from "../io/index.ts";
import { parentOf, type Tree, type TreePath } from "../tree/index.ts";
import { perTree } from "./per-tree.ts";

/** Places that an nginx program was compiled with (`nginx -V`). */
export interface NginxBuild {
  readonly program: TreePath;
  readonly prefix: TreePath;
  readonly configuration: TreePath;
  /** Other compiled-in paths by the name of the configure option: `pid-path`, `http-client-body-temp-path`. */
  readonly paths: ReadonlyMap<string, TreePath>;
}

const programs = [
  "/usr/sbin/nginx",
  "/usr/bin/nginx",
  "/usr/local/sbin/nginx",
  "/usr/local/nginx/sbin/nginx",
];
const largest = 64 * 1024 * 1024;

/** Reads the arguments of `configure` out of a program; `undefined` when it is no nginx. */
export async function readNginxBuild(tree: Tree, program: TreePath): Promise<NginxBuild | undefined> {
  const entry = tree.get(program);
  if (entry?.type !== "file" || (entry.mode & 0o111) === 0 || entry.content.size > largest) return undefined;
  let build = read.get(entry.content);
  if (build === undefined) {
    build = argumentsOf(entry.content);
    read.set(entry.content, build);
  }
  const paths = await build;
  if (paths === undefined) return undefined;
  const prefix = paths.get("prefix") ?? "/usr/local/nginx";
  return { program, prefix, configuration: paths.get("conf-path") ?? `${prefix}/conf/nginx.conf`, paths };
}

/** Programs that were read: the evidence asks for the same one several times, in trees that share it. */
const read = new WeakMap<Content, Promise<ReadonlyMap<string, TreePath> | undefined>>();

async function argumentsOf(content: Content): Promise<ReadonlyMap<string, TreePath> | undefined> {
  // What `nginx -V` prints is in a fifth of the program, where it can be told apart.
  const elf = await readElf(content).catch(() => undefined);
  const text =
    elf === undefined
      ? configureArguments([await readContent(content)])
      : await elf.derive("nginx -V", async () => configureArguments(await elf.readOnlyData(largest)));
  if (text === null) return undefined;
  const paths = new Map<string, TreePath>();
  for (const [, name, path] of text.matchAll(/--([a-z-]+)=(\/[^\s']*)/g)) paths.set(name ?? "", path ?? "");
  return paths;
}

/** The arguments as one text; null when it is no nginx. */
function configureArguments(pieces: readonly Buffer[]): string | null {
  const bytes = pieces.find((piece) => piece.includes("configure arguments:"));
  if (bytes === undefined || !pieces.some((piece) => piece.includes("nginx version:"))) return null;
  const start = bytes.indexOf("configure arguments:");
  const end = bytes.indexOf(0, start);
  return bytes.subarray(start, end < 0 ? start + 16_384 : end).toString("latin1");
}

/** The nginx of a tree, where it is in one of the usual places; else one with the places of Debian's. */
export const nginxBuild = perTree(async (tree): Promise<NginxBuild> => {
  for (const program of programs) {
    const found = tree.resolve(program);
    const build = found.entry === undefined ? undefined : await readNginxBuild(tree, found.path);
    if (build !== undefined) return build;
  }
  return {
    program: "/usr/sbin/nginx",
    prefix: "/usr/share/nginx",
    configuration: "/etc/nginx/nginx.conf",
    paths: new Map(),
  };
});

/** Where a path of a directive starts: files of the configuration beside it, anything else at the prefix. */
export function nginxPath(build: NginxBuild, directive: string, path: string): string {
  if (path.startsWith("/")) return path;
  const beside = /^(?:include|ssl_|.*_ssl_|auth_basic_user_file|geoip|perl_)/.test(directive);
  return `${beside ? parentOf(build.configuration) : build.prefix}/${path}`;
}
