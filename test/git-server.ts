import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A server of git repositories over HTTP: git's own http-backend behind Node. */
export interface GitServer {
  /** `http://127.0.0.1:PORT`. */
  readonly address: string;
  /** What was asked: method, path with query, and the Authorization header. */
  readonly requests: { readonly line: string; readonly authorization?: string }[];
  close(): Promise<void>;
}

export interface GitServerOptions {
  /** The value that the Authorization header must have. */
  readonly authorization?: string;
  /** Serve files as they lie there, as a server without git does. */
  readonly dumb?: boolean;
}

/** Serves all repositories below a directory. */
export async function serveGit(directory: string, options: GitServerOptions = {}): Promise<GitServer> {
  const requests: GitServer["requests"] = [];
  const server: Server = createServer((request, response) => {
    const { authorization } = request.headers;
    requests.push({
      line: `${request.method} ${request.url}`,
      ...(authorization === undefined ? {} : { authorization }),
    });
    if (options.authorization !== undefined && authorization !== options.authorization) {
      response.writeHead(401, { "www-authenticate": "Basic" }).end();
      return;
    }
    answer(directory, options, request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function answer(
  directory: string,
  options: GitServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const url = new URL(request.url ?? "/", "http://server");
  const child = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env["PATH"],
      GIT_PROJECT_ROOT: directory,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: url.pathname,
      QUERY_STRING: options.dumb === true ? "" : url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      REMOTE_ADDR: "127.0.0.1",
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  request.pipe(child.stdin);
  let head: Buffer | undefined = Buffer.alloc(0);
  child.stdout.on("data", (chunk: Buffer) => {
    if (head === undefined) {
      response.write(chunk);
      return;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    let status = 200;
    for (const line of head.toString("latin1", 0, end).split("\r\n")) {
      const [name = "", value = ""] = line.split(/: (.*)/s);
      if (name.toLowerCase() === "status") status = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.writeHead(status);
    response.write(head.subarray(end + 4));
    head = undefined;
  });
  child.stdout.on("end", () => response.end());
}

/** Runs git in a directory with a person and times that are always the same. */
export function git(directory: string, ...args: readonly string[]): string {
  const done = spawnSync("git", ["-c", "protocol.file.allow=always", ...args], {
    cwd: directory,
    encoding: "utf8",
    env: {
      PATH: process.env["PATH"],
      HOME: "/nonexistent",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_AUTHOR_NAME: "Ada",
      GIT_AUTHOR_EMAIL: "ada@example.org",
      GIT_AUTHOR_DATE: "1700000000 +0000",
      GIT_COMMITTER_NAME: "Ada",
      GIT_COMMITTER_EMAIL: "ada@example.org",
      GIT_COMMITTER_DATE: "1700000000 +0000",
    },
  });
  if (done.status !== 0) throw new Error(`git ${args.join(" ")}: ${done.stderr}`);
  return done.stdout.trim();
}
