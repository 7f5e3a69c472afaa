import { connect as connectPlain, isIP, type OnReadOpts, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { Incoming } from "./incoming.ts";
import type { Answer } from "./send.ts";

/** A request for a long body. */
export interface BulkRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Milliseconds of silence after which it fails. */
  readonly stall: number;
  /** Milliseconds for the connection to be made. */
  readonly connecting: number;
  /** How the server is trusted. */
  readonly tls: ConnectionOptions;
}

/**
 * Asks for a long body over a connection of its own, which is read straight into memory that is used again: half the
 * processor time of streams, where each 64 KiB are a buffer that is allocated, queued and collected. A piece of the body
 * is good until the next one is asked for.
 *
 * @returns nothing when the answer is not a plain one with a length: it is to be asked for in the ordinary way
 * @throws Error with a code, as connections fail
 */
export async function getBulk(request: BulkRequest): Promise<Answer | undefined> {
  const head = headOf(request);
  if (head === undefined) return undefined;
  request.signal.throwIfAborted();
  const incoming = new Incoming((place) => opened(request, place), request);
  try {
    incoming.socket.write(head, "latin1");
    const answer = parseHead(await incoming.head());
    if (answer === undefined) {
      incoming.socket.destroy();
      return undefined;
    }
    const { statusCode, headers, length } = answer;
    const dump = async (): Promise<void> => void incoming.socket.destroy();
    const body = Object.assign(incoming.body(length), { dump });
    return { statusCode, headers, body, origin: request.url.origin };
  } catch (error) {
    incoming.socket.destroy();
    throw error;
  }
}

function opened({ url, tls }: BulkRequest, onread: OnReadOpts): Socket {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (url.protocol === "http:") return connectPlain({ host, port: Number(url.port || 80), onread });
  const name = isIP(host) === 0 ? { servername: host } : {};
  // The types do not know that a connection by TLS can be read like this as well.
  const options = { ...tls, ...name, host, port: Number(url.port || 443), onread };
  return connectTls({ ...options, ALPNProtocols: ["http/1.1"] });
}

/** The request as it is sent; nothing when a header would say more than its value. */
function headOf({ url, headers }: BulkRequest): string | undefined {
  const all = Object.entries({ ...headers, host: url.host, connection: "close" });
  if (all.some(([, value]) => /[^\t\x20-\x7e\x80-\xff]/.test(value))) return undefined;
  const lines = all.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines}\r\n`;
}

/** The head of an answer (RFC 9112), where it is one whose body's length is told by a number. */
function parseHead(
  text: string,
): (Pick<Answer, "statusCode" | "headers"> & { readonly length: number }) | undefined {
  const [first = "", ...lines] = text.split("\r\n");
  const status = Number(/^HTTP\/1\.[01] ([2-5]\d\d)(?: |$)/.exec(first)?.[1]);
  const headers: Record<string, string | string[]> = Object.create(null);
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const key = name.toLowerCase();
    const before = headers[key];
    headers[key] = before === undefined ? value : [before, value].flat();
  }
  const length = headers["content-length"];
  if (Number.isNaN(status) || headers["transfer-encoding"] !== undefined) return undefined;
  if (typeof length !== "string" || !/^\d{1,15}$/.test(length)) return undefined;
  return { statusCode: status, headers, length: Number(length) };
}
