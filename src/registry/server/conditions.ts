import type { ByteRange } from "../../io/index.ts";
import { type Exchange, requestHeader } from "./exchange.ts";
import { rangeOf } from "./range.ts";

/** The entity tag of bytes that are named by their digest: the same bytes always, so a strong one. */
export function entityTag(digest: string): string {
  return `"${digest}"`;
}

/** Whether the client has these bytes already (RFC 9110, section 13.1.2: any of the listed tags, weak or strong). */
export function isKnown(exchange: Exchange, digest: string): boolean {
  const header = requestHeader(exchange, "if-none-match");
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  return [...header.matchAll(/(?:W\/)?("[^"]*")/g)].some(([, tag]) => tag === entityTag(digest));
}

/**
 * The part of the bytes that a client wants, see {@link rangeOf}. With `If-Range` it wants a part only of the bytes
 * that it knows (RFC 9110, section 13.1.5), and all of any others.
 */
export function wantedRange(
  exchange: Exchange,
  digest: string,
  size: number,
): ByteRange | "none" | undefined {
  const known = requestHeader(exchange, "if-range");
  if (known !== undefined && known.trim() !== entityTag(digest)) return undefined;
  return rangeOf(requestHeader(exchange, "range"), size);
}
