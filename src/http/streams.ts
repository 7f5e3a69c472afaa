import { Readable } from "node:stream";
import { mostConnections, type Patience, type Trust } from "./connect.ts";
import type { ExchangeRequest } from "./exchange.ts";
import type { StreamedAnswer } from "./send.ts";

/** How requests go out that are answered with Node's streams. */
export interface StreamOptions extends Patience {
  readonly trust: Trust;
  /** Addresses of proxies, empty where there is none, and who is reached without. */
  readonly proxies: { readonly httpProxy: string; readonly httpsProxy: string; readonly noProxy: string };
}

/** Sends one request, following nothing. */
export type Streams = (request: ExchangeRequest) => Promise<Omit<StreamedAnswer, "origin">>;

/** Opens what sends requests through proxies, and those whose answers are read as streams. */
export async function openStreams({ stall, connecting, trust, proxies }: StreamOptions): Promise<Streams> {
  const [{ default: Agent }, { default: EnvHttpProxyAgent }, { default: send }] = await Promise.all([
    import("undici/lib/dispatcher/agent.js"),
    import("undici/lib/dispatcher/env-http-proxy-agent.js"),
    import("undici/lib/api/api-request.js"),
  ]);
  const timeouts = {
    headersTimeout: stall,
    connections: mostConnections,
    bodyTimeout: stall,
    connect: { timeout: connecting, ...trust },
  };
  const direct = new Agent(timeouts);
  const proxied = new EnvHttpProxyAgent({ ...timeouts, ...proxies, requestTls: trust });
  return ({ url, method = "GET", headers, body, signal }) => {
    const isDirect = url.protocol === "https:" && proxies.httpsProxy === "";
    return send.call(isDirect ? direct : proxied, {
      ...{ origin: url.origin, path: `${url.pathname}${url.search}`, method, headers, signal },
      ...(body === undefined ? {} : { body: bodyOf(body) }),
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
