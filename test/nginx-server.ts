import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  lchown,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { readContent } from "../src/io/index.ts";
import { simulate } from "../src/simulate/index.ts";
import type { Tree } from "../src/tree/index.ts";

/** Debian's nginx, serving a simulated folder below a directory that it sees as a read-only file system. */
export interface NginxServer {
  readonly port: number;
  readonly process: ChildProcess;
  /** What it wrote to standard error and output so far. */
  log(): Promise<{ readonly stdout: string; readonly stderr: string }>;
  stop(): Promise<void>;
}

/** An answer with its whole body. */
export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const uid = 10001;
const nginx = "/usr/sbin/nginx";

/** Starts nginx as an ordinary user on a free port of the loopback interface, and waits until it answers. */
export async function serveFolder(folder: Tree): Promise<NginxServer> {
  const port = await freePort();
  const { tree } = await simulate(folder, { port, uid });
  const base = await mkdtemp(join(tmpdir(), "whittle-nginx-"));
  await chmod(base, 0o755);
  const root = join(base, "root");
  await write(tree, root);
  const outputs = { stdout: join(base, "stdout"), stderr: join(base, "stderr") };
  const child = await start(root, outputs);
  const log = async (): Promise<{ stdout: string; stderr: string }> => ({
    stdout: await readFile(outputs.stdout, "utf8"),
    stderr: await readFile(outputs.stderr, "utf8"),
  });
  const exited = once(child, "exit");
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGQUIT");
    await exited;
    await rm(base, { recursive: true, force: true });
  };
  for (;;) {
    if (child.exitCode !== null) {
      throw new Error(`nginx ended with ${child.exitCode}: ${(await log()).stderr}`);
    }
    const answer = await ask(port, "GET", "/healthz").catch(() => undefined);
    if (answer !== undefined) return { port, process: child, log, stop };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * nginx opens `/dev/stdout`, which the kernel refuses for a socket, and Node's pipes are sockets: so its outputs
 * are files, open to the user as whom it runs.
 */
async function start(
  root: string,
  outputs: { readonly stdout: string; readonly stderr: string },
): Promise<ChildProcess> {
  const [stdout, stderr] = [await open(outputs.stdout, "a"), await open(outputs.stderr, "a")];
  await stdout.chmod(0o666);
  await stderr.chmod(0o666);
  const stdio: StdioOptions = ["ignore", stdout.fd, stderr.fd];
  const command = `exec ${nginx} -e stderr -c ${root}/etc/nginx/nginx.conf`;
  const readOnly = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"';
  const asUser = `exec setpriv --reuid=${uid} --regid=${uid} --clear-groups --no-new-privs sh -c '${command}'`;
  const child =
    process.getuid?.() === 0
      ? spawn("unshare", ["--mount", "sh", "-c", `${readOnly} && ${asUser}`, root], { stdio })
      : spawn("sh", ["-c", command], { stdio });
  await stdout.close();
  await stderr.close();
  return child;
}

/** One request on a connection of its own. */
export function ask(
  port: number,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string | Buffer,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      { host: "127.0.0.1", port, method, path, headers, agent: false },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("error", reject);
        answer.on("end", () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Writes a tree below a directory, with the directory put before the places that the configuration names. */
async function write(tree: Tree, root: string): Promise<void> {
  for (const [path, entry] of tree.entries()) {
    const at = root + path;
    if (entry.type === "directory") await mkdir(at, { recursive: true });
    else await mkdir(dirname(at), { recursive: true });
    if (entry.type === "symlink") await symlink(entry.target, at);
    if (entry.type !== "file") {
      if (process.getuid?.() === 0) await lchown(at, entry.uid, entry.gid);
      continue;
    }
    const bytes = await readContent(entry.content);
    const moved = bytes.toString("latin1").replace(/(?<=[\s"])\/(?=(?:srv|run|etc)\/)/g, () => `${root}/`);
    await writeFile(at, path.endsWith(".conf") ? Buffer.from(moved, "latin1") : bytes);
    await utimes(at, entry.mtime, entry.mtime);
  }
}
