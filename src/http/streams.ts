import { Readable } from "node:stream";
import { mostConnections, type Patience, type Trust } from "./connect.ts";
import type { ExchangeRequest } from "./exchange.ts";
import type { ProxyFor } from "./proxy.ts";
import type { StreamedAnswer } from "./send.ts";
import { openTunnels } from "./tunnel.ts";

/** How requests go out that are answered with Node's streams. */
export interface StreamOptions extends Patience {
  readonly trust: Trust;
  readonly proxyFor: ProxyFor;
}

/** Sends one request, following nothing. */
export type Streams = (request: ExchangeRequest) => Promise<Omit<StreamedAnswer, "origin">>;

/** Opens what sends requests through proxies, and those whose answers are read as streams. */
export async function openStreams({ stall, connecting, trust, proxyFor }: StreamOptions): Promise<Streams> {
  const [{ default: Agent }, { default: send }] = await Promise.all([
    import("undici/lib/dispatcher/agent.js"),
    import("undici/lib/api/api-request.js"),
  ]);
  const timeouts = { headersTimeout: stall, connections: mostConnections, bodyTimeout: stall };
  const direct = new Agent({ ...timeouts, connect: { timeout: connecting, ...trust } });
  const tunnels = openTunnels({ ...timeouts, connectTimeout: connecting, requestTls: trust });
  return async ({ url, method = "GET", headers, body, signal }) => {
    const proxy = proxyFor(url);
    const asked = {
      ...{ origin: url.origin, path: `${url.pathname}${url.search}`, method, headers, signal },
      ...(body === undefined ? {} : { body: bodyOf(body) }),
    };
    if (proxy === "") return send.call(direct, asked);
    const tunnel = await tunnels(proxy);
    return send.call(tunnel.dispatcher, asked).catch((error: unknown) => {
      signal.throwIfAborted();
      throw url.protocol === "http:" ? tunnel.failure(error) : error;
    });
  };
}

function bodyOf(body: Uint8Array | AsyncIterable<Uint8Array>): Uint8Array | Readable {
  return body instanceof Uint8Array ? body : Readable.from(copied(body), { objectMode: false });
}

/** A stream looks ahead; a piece of the source is done with when the next one is asked for. */
async function* copied(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of pieces) yield Buffer.from(piece);
}
