import type { IncomingMessage, ServerResponse } from "node:http";
import { sweepAfter } from "../sweep.ts";
import { Refused } from "./refused.ts";

/** One request, and the answer to it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** Who asks; empty where nobody has to say. */
  readonly user: string;
}

/** Answers with headers and, unless only those were asked for, a text. */
export function answer(
  { request, response }: Exchange,
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: string | Buffer = "",
): void {
  const bytes = typeof body === "string" ? Buffer.from(body, "utf8") : body;
  response.writeHead(status, { ...(status === 204 ? {} : { "content-length": bytes.length }), ...headers });
  if (request.method === "HEAD" || status === 204) response.end();
  else response.end(bytes);
}

/** Answers with JSON. */
export function answerJson(
  exchange: Exchange,
  document: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  answer(exchange, 200, { "content-type": "application/json", ...headers }, `${JSON.stringify(document)}\n`);
}

/** A header of the request; of one that came several times, nothing. */
export function requestHeader({ request }: Exchange, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}

/** The bytes of a request. Who stops reading them early leaves the connection alive, to carry the refusal. */
export async function* bodyOf({ request }: Exchange): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    yield chunk;
    sweepAfter(chunk.length);
  }
}

/** One page of a sorted list (distribution-spec, "Listing Tags"), with the address of the next one. */
export function pageOf(
  exchange: Exchange,
  path: string,
  all: readonly string[],
): { readonly page: readonly string[]; readonly headers: Readonly<Record<string, string>> } {
  const asked = exchange.query.get("n");
  const last = exchange.query.get("last") ?? "";
  if (asked !== null && !/^\d{1,9}$/.test(asked)) {
    throw new Refused("PAGINATION_NUMBER_INVALID", "n is not a number");
  }
  const after = last === "" ? all : all.filter((item) => item > last);
  const count = asked === null ? after.length : Number(asked);
  const page = after.slice(0, count);
  const end = page.at(-1);
  if (page.length === after.length || end === undefined) return { page, headers: {} };
  const next = `${path}?n=${count}&last=${encodeURIComponent(end)}`;
  return { page, headers: { link: `<${next}>; rel="next"` } };
}
