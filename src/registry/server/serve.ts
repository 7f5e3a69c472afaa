import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { explainSystemError, isSystemError, WhittleError } from "../../io/index.ts";
import type { Store } from "../../store/index.ts";
import { type AccessOptions, openAccess } from "./access.ts";
import { beginUpload, continueUpload, deleteBlob, sendBlob } from "./blob-requests.ts";
import { Contents } from "./contents.ts";
import { answer, answerJson, type Exchange, pageOf } from "./exchange.ts";
import { deleteManifest, listReferrers, sendManifest, takeManifest } from "./manifest-requests.ts";
import { Metrics } from "./metrics.ts";
import { Refused } from "./refused.ts";
import { type Route, routeOf } from "./route.ts";
import { Uploads } from "./uploads.ts";

/** How a store is served. */
export interface ServeOptions extends AccessOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** PEM texts; without them, plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Bytes of one blob (default 100 GiB). */
  readonly maxBlob?: number;
  /** Told of every answered request, as one line of JSON. */
  readonly log: (line: string) => void;
}

/** A registry that answers. */
export interface RunningRegistry {
  readonly host: string;
  readonly port: number;
  /** Takes no more requests, lets those under way end, and is gone. */
  stop(): Promise<void>;
}

const usual = { maxBlob: 100 * 1024 ** 3, sessions: 512 };
// Who says nothing for so long is gone; bodies may take as long as they move.
const idle = 60_000;
// What is under way when the server is told to stop may take so long to end.
const grace = 10_000;
// Bytes of a refused request that are read, so that its client gets to know why.
const mostDiscarded = 16 * 1024 * 1024;
const writing = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/**
 * Serves a store as a registry (distribution-spec 1.1).
 *
 * @throws WhittleError `ENVIRONMENT` when the address is taken, `PERMISSION`, `USAGE`
 */
export async function serve(store: Store, options: ServeOptions): Promise<RunningRegistry> {
  const registry = new Registry(store, options, await openAccess(options));
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    void registry.handle(request, response);
  };
  const settings = {
    keepAliveTimeout: 30_000,
    headersTimeout: 20_000,
    requestTimeout: 0,
    maxHeaderSize: 32 * 1024,
  };
  const server =
    options.tls === undefined
      ? createServer(settings, handle)
      : createSecureServer({ ...settings, ...options.tls }, handle);
  server.timeout = idle;
  await listen(server, options);
  await registry.uploads.expire();
  const { address, port } = server.address() as AddressInfo;
  return { host: address, port, stop: () => stop(server) };
}

async function listen(server: Server, { host, port }: ServeOptions): Promise<void> {
  server.listen({ host, port });
  try {
    await once(server, "listening");
  } catch (error) {
    if (isSystemError(error) && error.code === "EADDRINUSE") {
      throw new WhittleError("ENVIRONMENT", `Cannot listen on ${host}:${port}: something else does`, {
        hint: "choose another port with --listen, 0 for any that is free",
      });
    }
    throw explainSystemError(error, `listen on ${host}:${port}`);
  }
}

async function stop(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  const impatient = setTimeout(() => server.closeAllConnections(), grace);
  await closed;
  clearTimeout(impatient);
}

class Registry {
  readonly uploads: Uploads;
  readonly #store: Store;
  readonly #contents: Contents;
  readonly #metrics = new Metrics();
  readonly #access: Awaited<ReturnType<typeof openAccess>>;
  readonly #options: ServeOptions;

  constructor(store: Store, options: ServeOptions, access: Awaited<ReturnType<typeof openAccess>>) {
    this.#store = store;
    this.#options = options;
    this.#access = access;
    this.#contents = new Contents(store);
    this.uploads = new Uploads(store, { bytes: options.maxBlob ?? usual.maxBlob, sessions: usual.sessions });
  }

  /** Answers one request, whatever happens, and tells of it. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const since = performance.now();
    const before = request.socket.bytesWritten;
    const [path = "/", search = ""] = (request.url ?? "/").split("?", 2);
    let kind = "unknown";
    let user = "";
    let reason: string | undefined;
    this.#metrics.active += 1;
    try {
      const route = routeOf(path);
      kind = route?.kind ?? kind;
      const writes = writing.has(request.method ?? "");
      user = kind === "health" ? "" : await this.#access.admit(request.headers.authorization, writes);
      response.setHeader("docker-distribution-api-version", "registry/2.0");
      response.setHeader("x-content-type-options", "nosniff");
      await this.#answer(route, { request, response, query: new URLSearchParams(search), user });
    } catch (error) {
      reason = refuse(request, response, error);
    } finally {
      this.#metrics.active -= 1;
      const { method = "", socket } = request;
      const { statusCode: status } = response;
      const seconds = (performance.now() - since) / 1000;
      const received = Number(request.headers["content-length"] ?? 0);
      const sent = Math.max(socket.bytesWritten - before, 0);
      this.#metrics.record({ method, route: kind, status, seconds, received, sent });
      this.#options.log(
        JSON.stringify({
          ...{ time: new Date().toISOString(), remote: socket.remoteAddress ?? "", method, path, status },
          ...{ milliseconds: Math.round(seconds * 1000), received, sent },
          ...(user === "" ? {} : { user }),
          ...(reason === undefined ? {} : { reason }),
        }),
      );
    }
  }

  async #answer(route: Route | undefined, exchange: Exchange): Promise<void> {
    const { method = "" } = exchange.request;
    const reads = method === "GET" || method === "HEAD";
    const only = (allowed: boolean, allow: string): void => {
      if (!allowed) throw new Refused("UNSUPPORTED", `${method} is not possible here`, { allow });
    };
    switch (route?.kind) {
      case "base":
        only(reads, "GET, HEAD");
        return answerJson(exchange, {});
      case "health":
        only(reads, "GET, HEAD");
        return answerJson(exchange, { status: "ok" });
      case "metrics":
        only(reads, "GET, HEAD");
        return answer(
          exchange,
          200,
          { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
          this.#metrics.text(await this.uploads.count()),
        );
      case "catalog": {
        only(reads, "GET, HEAD");
        const { page, headers } = pageOf(exchange, "/v2/_catalog", await this.#contents.repositories());
        return answerJson(exchange, { repositories: page }, headers);
      }
      case "tags":
        only(reads, "GET, HEAD");
        return this.#tags(exchange, route.repository);
      case "referrers":
        only(reads, "GET, HEAD");
        return listReferrers(exchange, route.digest, this.#store);
      case "manifest":
        only(reads || method === "PUT" || method === "DELETE", "GET, HEAD, PUT, DELETE");
        if (reads)
          return sendManifest(exchange, route.repository, route.reference, this.#store, this.#contents);
        return method === "PUT"
          ? takeManifest(exchange, route.repository, route.reference, this.#store)
          : deleteManifest(exchange, route.repository, route.reference, this.#contents);
      case "blob":
        only(reads || method === "DELETE", "GET, HEAD, DELETE");
        return reads
          ? sendBlob(exchange, route.digest, this.#store)
          : deleteBlob(exchange, route.digest, this.#store);
      case "uploads":
        only(method === "POST", "POST");
        return beginUpload(exchange, route.repository, this.#store, this.uploads);
      case "upload":
        return continueUpload(exchange, route.repository, route.session, this.uploads);
      default:
        return answer(exchange, 404, { "content-type": "text/plain" }, "There is nothing here.\n");
    }
  }

  async #tags(exchange: Exchange, repository: string): Promise<void> {
    const tags = await this.#contents.tags(repository);
    if (tags === undefined) throw new Refused("NAME_UNKNOWN", `there is no repository ${repository}`);
    const { page, headers } = pageOf(exchange, `/v2/${repository}/tags/list`, tags);
    answerJson(exchange, { name: repository, tags: page }, headers);
  }
}

/** Answers with what went wrong; says for the log why. */
function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): string {
  const refused =
    error instanceof Refused
      ? error
      : error instanceof WhittleError && error.code === "DISK_FULL"
        ? new Refused("UNKNOWN", "the registry's disk is full")
        : new Refused("UNKNOWN", "the registry could not do that");
  const reason = error instanceof Error ? error.message : String(error);
  if (response.headersSent || response.destroyed) {
    // Half an answer must not look like a whole one.
    response.destroy();
    return reason;
  }
  const body = Buffer.from(refused.body);
  response.writeHead(refused.status, {
    "content-type": "application/json",
    "content-length": body.length,
    ...refused.headers,
  });
  response.end(request.method === "HEAD" ? undefined : body);
  discard(request);
  return reason;
}

/**
 * Throws away what is still coming in. A connection that is closed while its client sends loses the answer, so a
 * little is waited for; who sends more is cut off.
 */
function discard(request: IncomingMessage): void {
  if (request.complete) return;
  let left = mostDiscarded;
  request.on("error", () => undefined);
  request.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
}
