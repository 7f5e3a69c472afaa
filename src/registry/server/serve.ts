import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { explainSystemError, isSystemError, WhittleError } from "../../io/index.ts";
import type { Store } from "../../store/index.ts";
import { type AccessOptions, openAccess } from "./access.ts";
import { Dispatch } from "./dispatch.ts";
import { makeHandler } from "./handler.ts";
import { Metrics } from "./metrics.ts";
import type { Pace } from "./pace.ts";

/** PEM texts. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** How a store is served. */
export interface ServeOptions extends AccessOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Without it, plain HTTP. */
  readonly tls?: Certificate;
  /** Bytes of one blob (default 100 GiB). */
  readonly maxBlob?: number;
  /** Connections at a time (default 4096). */
  readonly maxConnections?: number;
  /** How long clients are waited for; by default as long as an honest one may need. */
  readonly patience?: Patience;
  /** Milliseconds for what is under way when the server is told to stop (default 10 seconds). */
  readonly grace?: number;
  /** Told of every answered request, as one line of JSON. */
  readonly log: (line: string) => void;
}

/** How long clients are waited for, in milliseconds. */
export interface Patience {
  /** For the head of a request, from when the connection is made or the one before was answered (20 seconds). */
  readonly headers?: number;
  /** For anything at all on a connection (a minute). */
  readonly idle?: number;
  /** For a body to move on. */
  readonly pace?: Pace;
}

/** A registry that answers. */
export interface RunningRegistry {
  readonly host: string;
  readonly port: number;
  /** Shows another certificate to who connects from now on; only where it has one. */
  renew(tls: Certificate): void;
  /** Puts what is wrong beside the requests into the log. */
  warn(error: unknown): void;
  /** Takes no more requests, lets those under way end, and is gone. */
  stop(): Promise<void>;
}

const usual = { maxBlob: 100 * 1024 ** 3, sessions: 512, maxConnections: 4096, grace: 10_000 };
// Who says nothing for so long is gone; bodies may take as long as they move.
const idle = 60_000;
const headers = 20_000;

/**
 * Serves a store as a registry (distribution-spec 1.1).
 *
 * @throws WhittleError `ENVIRONMENT` when the address is taken, `PERMISSION`, `USAGE`
 */
export async function serve(store: Store, options: ServeOptions): Promise<RunningRegistry> {
  const { log, maxBlob = usual.maxBlob, patience = {} } = options;
  const metrics = new Metrics();
  const warn = (error: unknown): void => {
    const reason = error instanceof Error ? error.message : String(error);
    log(JSON.stringify({ time: new Date().toISOString(), warning: reason }));
  };
  const access = await openAccess({ ...options, warn });
  const dispatch = new Dispatch(store, { bytes: maxBlob, sessions: usual.sessions }, metrics, access);
  const handler = makeHandler({ dispatch, access, metrics, log, pace: patience.pace });
  const handle = (request: IncomingMessage, response: ServerResponse): void =>
    void handler(request, response);
  const headersTimeout = patience.headers ?? headers;
  const settings = {
    headersTimeout,
    connectionsCheckingInterval: headersTimeout / 4,
    keepAliveTimeout: 30_000,
    requestTimeout: 0,
    maxHeaderSize: 32 * 1024,
  };
  const server =
    options.tls === undefined
      ? createServer(settings, handle)
      : createSecureServer({ ...settings, ...options.tls }, handle);
  server.timeout = patience.idle ?? idle;
  server.maxConnections = options.maxConnections ?? usual.maxConnections;
  tellOfRefused(server, log);
  await dispatch.restore();
  await listen(server, options);
  const { address, port } = server.address() as AddressInfo;
  return {
    ...{ host: address, port, warn, stop: () => stop(server, options.grace ?? usual.grace) },
    renew: (tls) => {
      if ("setSecureContext" in server) server.setSecureContext(tls);
    },
  };
}

async function listen(server: Server, { host, port }: ServeOptions): Promise<void> {
  server.listen({ host, port });
  try {
    await once(server, "listening");
  } catch (error) {
    const code = isSystemError(error) ? (error.code ?? "") : "";
    const known = code === "EACCES" && port >= 1024 ? undefined : whyNot[code];
    if (known === undefined) throw explainSystemError(error, `listen on ${host}:${port}`);
    const [found, hint] = known;
    throw new WhittleError(
      code === "EACCES" ? "PERMISSION" : "ENVIRONMENT",
      `Cannot listen on ${host}:${port}: ${found}`,
      { hint, cause: error },
    );
  }
}

const ownAddresses = "--listen 127.0.0.1:5000 for this machine alone, 0.0.0.0:5000 for all of its addresses";
/** What is found where nobody can listen, and what to do. */
const whyNot: Readonly<Record<string, readonly [found: string, hint: string]>> = {
  EADDRINUSE: ["something else does", "choose another port with --listen, 0 for any that is free"],
  EADDRNOTAVAIL: ["this machine has no such address", ownAddresses],
  ENOTFOUND: ["no address is known by that name", ownAddresses],
  EAI_AGAIN: ["the name cannot be looked up", ownAddresses],
  EACCES: [
    "ports below 1024 are not for this user",
    "choose a port from 1024 on with --listen, or listen as root and let a proxy hand requests on",
  ],
};

const statuses: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

/** Connections that never became a request are told of as well: no HTTP, headers without an end, too many of them. */
function tellOfRefused(server: Server, log: (line: string) => void): void {
  const tell = (remote: string, reason: string, status?: number): void => {
    const time = new Date().toISOString();
    log(JSON.stringify({ time, remote, ...(status === undefined ? {} : { status }), reason }));
  };
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    const status = statuses[error.code ?? ""] ?? "400 Bad Request";
    const remote = (socket as Socket).remoteAddress ?? "";
    // A client that goes away in the middle, or a connection that nothing was asked on, is no news.
    if (error.code !== "ECONNRESET" && error.code !== "EPIPE")
      tell(remote, error.message, Number(status.slice(0, 3)));
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    else socket.destroy();
  });
  server.on("tlsClientError", (error: Error, socket: Socket) => {
    tell(socket.remoteAddress ?? "", error.message);
    socket.destroy();
  });
  let dropped = 0;
  server.on("drop", ({ remoteAddress = "" } = {}) => {
    dropped += 1;
    // One line for the first of many: a flood must not fill the log.
    if (dropped % 1000 === 1) tell(remoteAddress, `too many connections: ${dropped} were closed so far`);
  });
}

async function stop(server: Server, grace: number): Promise<void> {
  const closed = once(server, "close");
  server.close();
  // Connections that are kept alive end with the answer that is being sent on them.
  const idlers = setInterval(() => server.closeIdleConnections(), 50);
  const impatient = setTimeout(() => server.closeAllConnections(), grace);
  server.closeIdleConnections();
  await closed;
  clearInterval(idlers);
  clearTimeout(impatient);
}
