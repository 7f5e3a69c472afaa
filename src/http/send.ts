import type { Readable } from "node:stream";
import type { Environment } from "../io/index.ts";
import { getBulk } from "./bulk.ts";
import type { Trust } from "./connect.ts";
import { Pool } from "./pool.ts";
import { proxies } from "./proxy.ts";
import { HttpStatus } from "./retry.ts";
import { openStreams, type Streams } from "./streams.ts";

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

/** A request whose answer need not be one of Node's streams. */
export interface BulkSendRequest extends SendRequest {
  /** Whether the answer is long, and whoever reads it is done with a piece of it when it asks for the next one. */
  readonly bulk: boolean;
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
  const { ca, cert, key, insecure } = tls;
  const { rootCertificates } = ca === undefined ? { rootCertificates: [] } : await import("node:tls");
  const trust: Trust = {
    ...(ca === undefined ? {} : { ca: [...rootCertificates, ...ca] }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(insecure === true ? { rejectUnauthorized: false } : {}),
  };
  const connecting = Math.min(stall, longestConnecting);
  const proxyFor = proxies(environment);
  const pool = new Pool({ stall, connecting, tls: trust });
  let streams: Promise<Streams> | undefined;
  const streamed = (): Promise<Streams> => {
    streams ??= openStreams({ stall, connecting, trust, proxyFor });
    return streams;
  };
  function one(start: string, request: BulkSendRequest): Promise<Answer>;
  function one(start: string, request: SendRequest): Promise<StreamedAnswer>;
  async function one(start: string, request: SendRequest & { readonly bulk?: boolean }): Promise<Answer> {
    let url = new URL(start);
    let { authorization, ...headers } = request.headers ?? {};
    for (let hop = 0; hop <= mostRedirects; hop++) {
      const isDirect = proxyFor(url) === "";
      const said = {
        "user-agent": "whittle",
        "accept-encoding": "identity",
        ...credentialsOf(url),
        ...(authorization === undefined ? {} : { authorization }),
        ...headers,
      };
      const { signal, method, body } = request;
      const asked = { url, headers: said, signal, ...(method && { method }), ...(body && { body }) };
      const long =
        request.bulk === true && isDirect
          ? await getBulk({ ...asked, stall, connecting, tls: trust })
          : undefined;
      const answer =
        long ??
        (request.bulk !== undefined && isDirect
          ? await pool.request(asked)
          : await (await streamed())(asked));
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

function credentialsOf({ username, password }: URL): { readonly authorization?: string } {
  if (username === "") return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
}
