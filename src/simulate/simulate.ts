import type { ContainerConfig } from "../image/index.ts";
import { bytesContent, WhittleError } from "../io/index.ts";
import {
  attributes,
  type Entry,
  type FileEntry,
  type Origin,
  partsOf,
  type Tree,
  TreeBuilder,
  type TreePath,
} from "../tree/index.ts";
import { bodyEntry, compressedEntry } from "./bodies.ts";
import { headersConf, headersFile, nginxConf, places } from "./nginx-conf.ts";
import { problemBody, problemTitles } from "./problems.ts";
import { type Route, routesOf } from "./routes.ts";

/** How a folder is served. */
export interface SimulateOptions {
  /** 8080 by default; an unprivileged one. */
  readonly port?: number;
  /** User and group number of the server, 10001 by default. */
  readonly uid?: number;
  /** Where the packages have nginx: `/usr/sbin/nginx`. */
  readonly nginx?: TreePath;
  /** Where the packages have busybox, which asks for the health: `/bin/busybox`. */
  readonly busybox?: TreePath;
  /**
   * Where the packages have dumb-init: `/usr/bin/dumb-init`, or nothing when they have none. It hands SIGTERM to nginx
   * as SIGQUIT; without it SIGTERM cuts off answers that are on their way, and no configuration of nginx helps.
   */
  readonly init?: TreePath;
}

/** A folder as a web server. */
export interface Simulation {
  /** The configuration, the bodies and the directories that nginx wants. Times of files are part of it. */
  readonly tree: Tree;
  readonly routes: readonly Route[];
  /** How a container of it is run; the recipe's own words go over it. */
  readonly config: Partial<ContainerConfig>;
  /** What the image has to be able to run. */
  readonly roots: readonly {
    readonly command: readonly string[];
    readonly by: "config";
    readonly what: string;
  }[];
  readonly nginxConf: string;
}

// Bodies are read and compressed side by side.
const side = 8;
const second = 1_000_000_000;
// dumb-init(1): SIGTERM (15) is handed on as SIGQUIT (3), and only to nginx's master, which tells its worker itself.
const gracefully = ["--single-child", "--rewrite", "15:3", "--"];

/**
 * Makes a web server of a folder: static nginx configuration, the files with times by which nginx makes right
 * validators, compressed forms. Names that start with a dot are passed over, except `.well-known`.
 *
 * @param folder - the files, at the top of the tree
 * @throws WhittleError `SIMULATE_INVALID`
 */
export async function simulate(folder: Tree, options: SimulateOptions = {}): Promise<Simulation> {
  const { port = 8080, uid = 10001 } = options;
  const files = filesOf(folder);
  if (files.size === 0) {
    throw new WhittleError(
      "SIMULATE_INVALID",
      "Cannot simulate the folder: it holds no file, at least one is wanted",
      {
        hint: "add a file like users.json, which answers GET /users",
      },
    );
  }
  const names = [...files.keys()];
  const routes = routesOf(names);
  const conf = nginxConf({ routes, files: names, port });
  const builder = new TreeBuilder();
  addServer(builder, conf, uid);
  await addBodies(builder, files);
  return { tree: builder.tree(), routes, nginxConf: conf, ...running(options, port, uid) };
}

/** The files that are served, by path below the folder; links that stay inside it are what they lead to. */
function filesOf(folder: Tree): Map<string, FileEntry> {
  const files = new Map<string, FileEntry>();
  for (const [path, entry] of folder.entries()) {
    if (entry.type === "directory" || isHidden(path)) continue;
    const found: Entry | undefined = entry.type === "symlink" ? folder.resolve(path).entry : entry;
    if (found?.type === "directory") continue;
    if (found?.type !== "file") {
      throw new WhittleError(
        "SIMULATE_INVALID",
        `Cannot serve ${JSON.stringify(path.slice(1))}: it is ${entry.type === "symlink" ? "a link that leads nowhere inside the folder" : `a ${entry.type}`}, a file is wanted`,
      );
    }
    files.set(path.slice(1), found);
  }
  return files;
}

function isHidden(path: TreePath): boolean {
  return partsOf(path).some((part) => part.startsWith(".") && part !== ".well-known");
}

function addServer(builder: TreeBuilder, conf: string, uid: number): void {
  const own = { uid, gid: uid, origin: generated("directory of nginx") };
  builder.set(places.configuration, text(conf, "configuration of nginx"));
  builder.set(headersFile, text(headersConf, "configuration of nginx"));
  builder.set(places.temporary, { type: "directory", ...attributes(0o700, own) });
  builder.set(places.pid, {
    type: "symlink",
    ...attributes(0o777, { origin: generated("pid file of nginx") }),
    target: "/dev/null",
  });
  for (const status of Object.keys(problemTitles).map(Number)) {
    builder.set(`${places.problems}/${status}.json`, text(problemBody(status), "body of an error"));
  }
}

async function addBodies(builder: TreeBuilder, files: ReadonlyMap<string, FileEntry>): Promise<void> {
  const waiting = [...files];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [file, { content, origin }] = next;
      const body = await bodyEntry(content, origin);
      builder.set(`${places.bodies}/${file}`, body);
      // Somebody's own compressed form is served as it is.
      const packed = files.has(`${file}.gz`) ? undefined : await compressedEntry(file, body);
      if (packed !== undefined) builder.set(`${places.bodies}/${file}.gz`, packed);
    }
  };
  await Promise.all(Array.from({ length: side }, worker));
}

function running(options: SimulateOptions, port: number, uid: number): Pick<Simulation, "config" | "roots"> {
  const nginx = [options.nginx ?? "/usr/sbin/nginx", "-e", "stderr"];
  const entrypoint = options.init === undefined ? nginx : [options.init, ...gracefully, ...nginx];
  const busybox = options.busybox ?? "/bin/busybox";
  const health = [busybox, "wget", "-q", "-O", "/dev/null", `http://127.0.0.1:${port}/healthz`];
  return {
    config: {
      User: `${uid}:${uid}`,
      ExposedPorts: { [`${port}/tcp`]: {} },
      Entrypoint: entrypoint,
      // For nginx itself SIGTERM means at once, SIGQUIT when the answers that are on their way are out.
      StopSignal: "SIGQUIT",
      Healthcheck: {
        Test: ["CMD", ...health],
        Interval: 30 * second,
        Timeout: 3 * second,
        StartPeriod: 2 * second,
        Retries: 3,
      },
    },
    roots: [
      ...(entrypoint === nginx ? [] : [{ command: entrypoint, by: "config", what: "entrypoint" } as const]),
      { command: nginx, by: "config", what: "entrypoint" },
      { command: health, by: "config", what: "health check" },
    ],
  };
}

function text(body: string, what: string): FileEntry {
  return { type: "file", ...attributes(0o644, { origin: generated(what) }), content: bytesContent(body) };
}

function generated(what: string): Origin {
  return { kind: "generated", what };
}
