import { Readable } from "node:stream";
import type { Environment } from "../io/index.ts";
import { getBulk } from "./bulk.ts";
import { proxyAddress } from "./proxy.ts";
import { HttpStatus } from "./retry.ts";

/** An answer; its body has yet to be read. */
export interface Answer {
  readonly statusCode: number;
  /** By name in lower case; a list where a header came several times. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array> & {
    /** Throws the body away, so that its connection can be used again. */
    dump(): Promise<void>;
  };
  /** Scheme, host and port of who answered, after all redirects. */
  readonly origin: string;
}

/** An answer that is read as a stream. */
export interface StreamedAnswer extends Answer {
  readonly body: Readable & Answer["body"];
}

/** What a request says. */
export interface SendRequest {
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes that are at hand, or a stream, which cannot be sent a second time. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/** A request whose answer may be read in another way. */
export interface BulkSendRequest extends SendRequest {
  /** The answer is long, and whoever reads it is done with a piece of it when it asks for the next one. */
  readonly bulk: boolean | undefined;
}

/** Sends one request, following the redirects of those that have no body. */
export type Send = (url: string, request: SendRequest) => Promise<StreamedAnswer>;

/** What sends requests of both kinds. */
export interface Sender {
  (url: string, request: BulkSendRequest): Promise<Answer>;
  (url: string, request: SendRequest): Promise<StreamedAnswer>;
}

/** How servers are trusted, and how the client shows who it is; PEM texts. */
export interface TlsOptions {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
  /** Accept any certificate. */
  readonly insecure?: boolean;
}

const mostRedirects = 5;
// To one server at a time; the rest waits in line.
const mostConnections = 32;
// Milliseconds; or less, where silence is not waited for as long.
const longestConnecting = 10_000;

/**
 * Opens what sends requests with their redirects, through the proxies that the environment names. Credentials of
 * an address, and an Authorization header, go to their own origin only.
 *
 * @param stall - milliseconds of silence after which a request fails
 */
export async function openSender(
  environment: Environment,
  stall: number,
  tls: TlsOptions = {},
): Promise<Sender> {
  const [{ default: Agent }, { default: EnvHttpProxyAgent }, { default: send }] = await Promise.all([
    import("undici/lib/dispatcher/agent.js"),
    import("undici/lib/dispatcher/env-http-proxy-agent.js"),
    import("undici/lib/api/api-request.js"),
  ]);
  const { ca, cert, key, insecure } = tls;
  const { rootCertificates } = ca === undefined ? { rootCertificates: [] } : await import("node:tls");
  const trust = {
    ...(ca === undefined ? {} : { ca: [...rootCertificates, ...ca] }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(insecure === true ? { rejectUnauthorized: false } : {}),
  };
  const connecting = Math.min(stall, longestConnecting);
  const timeouts = {
    headersTimeout: stall,
    connections: mostConnections,
    bodyTimeout: stall,
    connect: { timeout: connecting, ...trust },
  };
  const httpProxy = proxyAddress(environment, "http_proxy");
  const httpsProxy = proxyAddress(environment, "https_proxy");
  const direct = new Agent(timeouts);
  const proxied = new EnvHttpProxyAgent({
    ...timeouts,
    requestTls: trust,
    httpProxy,
    httpsProxy,
    noProxy: environment["no_proxy"] ?? environment["NO_PROXY"] ?? "",
  });
  function one(start: string, request: BulkSendRequest): Promise<Answer>;
  function one(start: string, request: SendRequest): Promise<StreamedAnswer>;
  async function one(
    start: string,
    request: SendRequest & { readonly bulk?: boolean | undefined },
  ): Promise<Answer> {
    let url = new URL(start);
    let { authorization, ...headers } = request.headers ?? {};
    for (let hop = 0; hop <= mostRedirects; hop++) {
      const isDirect = (url.protocol === "https:" ? httpsProxy : httpProxy) === "";
      const said = {
        "user-agent": "whittle",
        "accept-encoding": "identity",
        ...credentialsOf(url),
        ...(authorization === undefined ? {} : { authorization }),
        ...headers,
      };
      const { signal } = request;
      const bulk =
        request.bulk === true && isDirect
          ? await getBulk({ url, headers: said, signal, stall, connecting, tls: trust })
          : undefined;
      const answer =
        bulk ??
        (await send.call(url.protocol === "https:" && isDirect ? direct : proxied, {
          ...{ origin: url.origin, path: `${url.pathname}${url.search}` },
          ...{ method: request.method ?? "GET", headers: said, signal },
          ...(request.body === undefined ? {} : { body: bodyOf(request.body) }),
        }));
      const { location } = answer.headers;
      const redirected =
        [301, 302, 303, 307, 308].includes(answer.statusCode) && typeof location === "string";
      if (!redirected || request.body !== undefined) {
        const { statusCode, headers: told, body } = answer;
        return { statusCode, headers: told, body, origin: url.origin };
      }
      await answer.body.dump();
      const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
      if (next === undefined || !isSafe(url, next)) {
        throw new HttpStatus(answer.statusCode, "redirects to an address that is not safe to follow");
      }
      if (next.origin !== url.origin) authorization = undefined;
      url = next;
    }
    throw new HttpStatus(310, `redirects more than ${mostRedirects} times`);
  }
  return one;
}

/** Never from https to http, and nowhere but to http servers. */
function isSafe(from: URL, to: URL): boolean {
  return /^https?:$/.test(to.protocol) && !(from.protocol === "https:" && to.protocol === "http:");
}

function bodyOf(body: Uint8Array | AsyncIterable<Uint8Array>): Uint8Array | Readable {
  return body instanceof Uint8Array ? body : Readable.from(body, { objectMode: false });
}

function credentialsOf({ username, password }: URL): { readonly authorization?: string } {
  if (username === "") return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
}
