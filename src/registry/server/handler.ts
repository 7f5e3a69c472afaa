import type { IncomingMessage, ServerResponse } from "node:http";
import { bytesSent } from "../../http/index.ts";
import { explainSystemError, WhittleError } from "../../io/index.ts";
import { sweepAfter } from "../sweep.ts";
import type { Access } from "./access.ts";
import { originOf } from "./bearer.ts";
import type { Dispatch } from "./dispatch.ts";
import type { Metrics } from "./metrics.ts";
import { type Pace, watchPace } from "./pace.ts";
import { Refused } from "./refused.ts";
import { routeOf } from "./route.ts";

// Bytes of a refused request that are read, so that its client gets to know why.
const mostDiscarded = 16 * 1024 * 1024;
// Of a path in the log; what comes from outside is as long as it likes.
const mostLogged = 512;
const writing = new Set(["POST", "PUT", "PATCH", "DELETE"]);
// Who asks for a token shows a password there, or none.
const open = new Set(["health", "token"]);

/** What answers requests, and tells of each. */
export interface HandlerOptions {
  readonly dispatch: Dispatch;
  readonly access: Access;
  readonly metrics: Metrics;
  readonly pace?: Pace | undefined;
  /** Told of every answered request, as one line of JSON. */
  readonly log: (line: string) => void;
}

/** Makes what answers one request, whatever happens, and tells of it. */
export function makeHandler(
  options: HandlerOptions,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { dispatch, access, metrics } = options;
  return async (request, response) => {
    const since = performance.now();
    const { socket } = request;
    const before = { read: socket.bytesRead, written: bytesSent(socket) };
    const [path = "/", search = ""] = (request.url ?? "/").split("?", 2);
    let kind = "unknown";
    let user = "";
    let reason: string | undefined;
    metrics.active += 1;
    const unwatch = watchPace(request, response, options.pace, () => {
      reason = "the client is too slow";
    });
    response.setHeader("docker-distribution-api-version", "registry/2.0");
    response.setHeader("x-content-type-options", "nosniff");
    try {
      const route = routeOf(path);
      kind = route?.kind ?? kind;
      // How far an upload is, is its owner's alone to know: who pulls without a name has none.
      const writes = route?.kind === "upload" || writing.has(request.method ?? "");
      if (!open.has(kind)) {
        user = await access.admit(request.headers.authorization, writes, {
          origin: originOf(request),
          repository: route !== undefined && "repository" in route ? route.repository : undefined,
          isBase: kind === "base",
        });
      }
      await dispatch.answer(route, { request, response, query: new URLSearchParams(search), user });
    } catch (error) {
      const why = refuse(request, response, error);
      reason ??= why;
    } finally {
      unwatch();
      metrics.active -= 1;
      const { method = "" } = request;
      const seconds = (performance.now() - since) / 1000;
      const received = Math.max(socket.bytesRead - before.read, 0);
      const sent = Math.max(bytesSent(socket) - before.written, 0);
      const { statusCode: status } = response;
      metrics.record({ method, route: kind, status, seconds, received, sent });
      options.log(
        JSON.stringify({
          ...{ time: new Date().toISOString(), remote: socket.remoteAddress ?? "", method },
          ...{
            path: path.slice(0, mostLogged),
            status,
            milliseconds: Math.round(seconds * 1000),
            received,
            sent,
          },
          ...(user === "" ? {} : { user }),
          ...(reason === undefined ? {} : { reason: reason.slice(0, mostLogged) }),
        }),
      );
    }
  };
}

/** Answers with what went wrong; says for the log why. */
function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  if (response.headersSent || response.destroyed) {
    // Half an answer must not look like a whole one.
    response.destroy();
    return reason;
  }
  const refused = asRefused(error);
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

function asRefused(error: unknown): Refused {
  if (error instanceof Refused) return error;
  const explained = explainSystemError(error, "answer");
  const code = explained instanceof WhittleError ? explained.code : undefined;
  // Names that mean something else where references are read: `oci:1` is a directory.
  if (code === "REFERENCE_INVALID")
    return new Refused("NAME_INVALID", "the store can have no image of this name");
  // A store that is mounted to be read, or that is somebody else's.
  if (code === "PERMISSION") return new Refused("DENIED", "the registry may not write to its store");
  const why = code === "DISK_FULL" ? "the registry's disk is full" : "the registry could not do that";
  return new Refused("UNKNOWN", why);
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
    sweepAfter(chunk.length);
    if (left < 0) request.destroy();
  });
}
