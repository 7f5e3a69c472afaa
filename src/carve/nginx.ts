import { readText } from "../io/index.ts";
import { parentOf, type Tree, type TreePath } from "../tree/index.ts";
import { matchPaths } from "./glob.ts";
import type { Evidence, How, Need } from "./need.ts";
import { type NginxBuild, nginxBuild, nginxPath, readNginxBuild } from "./nginx-build.ts";
import { type Place, placesOf } from "./nginx-directives.ts";
import { allDirectives, type Directive, parseNginx } from "./nginx-syntax.ts";
import { perContent } from "./per-content.ts";
import { perTree } from "./per-tree.ts";

const longest = 4 * 1024 * 1024;
const mostFiles = 10_000;
/** Mounted by the container's runtime, or made by it. */
const runtime = /^\/(?:dev|proc|sys)(?:\/|$)/;

interface ConfigurationFile {
  readonly path: TreePath;
  readonly directives: readonly Directive[];
}

/**
 * What nginx opens: its program needs its configuration; a main configuration file (one with `events`) needs
 * the files that it includes, and for it and each of those what their directives name. Directories that nginx
 * writes to (logs, pid, temporary bodies) are needed too, empty or not, since it does not make their parents.
 */
export function nginxEvidence(): Evidence {
  return {
    name: "nginx",
    async *needs(path, { tree }) {
      const entry = tree.get(path);
      if (entry?.type !== "file") return;
      if (/(?:^|\/)nginx[^/]*$/.test(path) && !path.endsWith(".conf")) {
        const program = await readNginxBuild(tree, path);
        if (program !== undefined) yield* needsOfProgram(program);
      }
      const files = await configuration(tree, path);
      if (files !== undefined) yield* needsOfConfiguration(tree, files, await nginxBuild(tree));
    },
    async reads(path, { tree }) {
      if (/\/nginx\//.test(path) || path.endsWith(".conf")) return true;
      return (await allConfigurationFiles(tree)).has(path);
    },
  };
}

function* needsOfProgram(build: NginxBuild): Generator<Need, void, undefined> {
  const how = (directive: string): How => ({
    kind: "configuration",
    directive,
    at: { file: build.program },
  });
  yield { path: build.configuration, how: how("--conf-path"), missing: "ignore" };
}

function* needsOfConfiguration(
  tree: Tree,
  files: readonly ConfigurationFile[],
  build: NginxBuild,
): Generator<Need, void, undefined> {
  const said = new Set<string>();
  for (const file of files) {
    for (const directive of allDirectives(file.directives)) {
      said.add(directive.name);
      const at = { file: file.path, line: directive.line };
      const how: How = { kind: "configuration", directive: directive.name, at };
      for (const place of placesOf(directive)) yield* needsOfPlace(tree, build, directive.name, place, how);
    }
  }
  for (const [directive, option] of compiledIn) {
    const path = build.paths.get(option);
    if (path === undefined || said.has(directive)) continue;
    const how: How = { kind: "configuration", directive: `--${option}`, at: { file: build.program } };
    yield* needsOfPlace(tree, build, directive, { path, as: "written" }, how);
  }
}

/** Directives with the configure option that holds where they are not used. */
const compiledIn = [
  ["error_log", "error-log-path"],
  ["access_log", "http-log-path"],
  ["pid", "pid-path"],
  ["client_body_temp_path", "http-client-body-temp-path"],
  ["proxy_temp_path", "http-proxy-temp-path"],
  ["fastcgi_temp_path", "http-fastcgi-temp-path"],
  ["uwsgi_temp_path", "http-uwsgi-temp-path"],
  ["scgi_temp_path", "http-scgi-temp-path"],
] as const;

function* needsOfPlace(
  tree: Tree,
  build: NginxBuild,
  directive: string,
  place: Place,
  how: How,
): Generator<Need, void, undefined> {
  // Behind a variable anything may follow; up to there the directory is sure.
  const variable = place.path.indexOf("$");
  const fixed = variable < 0 ? place.path : place.path.slice(0, place.path.lastIndexOf("/", variable));
  if (fixed === "" || (variable >= 0 && place.as === "file")) return;
  const path = absolute(nginxPath(build, directive, fixed));
  if (runtime.test(path)) return;
  if (place.as === "include") {
    const matches = matchPaths(tree, path);
    for (const match of matches) yield { path: match, how, missing: "ignore" };
    if (matches.length === 0 && !/[*?[]/.test(path)) yield { path, how, missing: "report" };
  } else if (place.as === "written") {
    const there = tree.resolve(path).entry !== undefined;
    yield { path: there ? path : parentOf(path), how, missing: "report" };
  } else if (place.as === "tree") {
    // nginx starts without it.
    yield { path, how, missing: "ignore" };
    const found = tree.resolve(path);
    if (found.path === "/" || found.entry?.type !== "directory") return;
    for (const [inside] of tree.entries(found.path)) {
      if (inside !== found.path) yield { path: inside, how, missing: "ignore" };
    }
  } else yield { path, how, missing: "report" };
}

function absolute(path: string): TreePath {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

const configurations = perTree(() => new Map<TreePath, Promise<ConfigurationFile[] | undefined>>());

/** A main configuration with all it includes, in the order of the text; `undefined` when the file is none. */
function configuration(tree: Tree, main: TreePath): Promise<readonly ConfigurationFile[] | undefined> {
  const known = configurations(tree);
  let files = known.get(main);
  if (files === undefined) {
    files = readConfiguration(tree, main);
    known.set(main, files);
  }
  return files;
}

async function readConfiguration(tree: Tree, main: TreePath): Promise<ConfigurationFile[] | undefined> {
  if (!main.endsWith(".conf")) return undefined;
  const first = await readFile(tree, main);
  if (first?.directives.some(({ name, block }) => name === "events" && block !== undefined) !== true) {
    return undefined;
  }
  const build = await nginxBuild(tree);
  const files = [first];
  const seen = new Set([main]);
  // Included files are put at the end of the list that is being walked.
  for (const file of files) {
    for (const directive of allDirectives(file.directives)) {
      if (directive.name !== "include") continue;
      for (const pattern of directive.arguments) {
        for (const match of matchPaths(tree, absolute(nginxPath(build, "include", pattern)))) {
          const { path } = tree.resolve(match);
          if (seen.has(path) || seen.size > mostFiles) continue;
          seen.add(path);
          const included = await readFile(tree, path);
          if (included !== undefined) files.push(included);
        }
      }
    }
  }
  return files;
}

async function readFile(tree: Tree, path: TreePath): Promise<ConfigurationFile | undefined> {
  const entry = tree.get(path);
  if (entry?.type !== "file" || entry.content.size > longest) return undefined;
  const directives = await directivesOf(entry.content);
  return directives === undefined ? undefined : { path, directives };
}

const directivesOf = perContent(async (content) => parseNginx(await readText(content, longest)));

const allConfigurationFiles = perTree(async (tree): Promise<ReadonlySet<TreePath>> => {
  const paths = new Set<TreePath>();
  for (const [path] of tree.entries()) {
    for (const file of (await configuration(tree, path)) ?? []) paths.add(file.path);
  }
  return paths;
});
