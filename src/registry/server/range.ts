import type { ByteRange } from "../../io/index.ts";

/**
 * The bytes that a Range header asks for (RFC 9110, section 14.1.2): nothing where the whole is to be sent, `"none"`
 * where no byte of it exists. Of several ranges the whole is sent, as the RFC allows. One that ends before it begins,
 * which the RFC would have ignored, is a mistake that its client hears of, as other registries do it.
 */
export function rangeOf(header: string | undefined, size: number): ByteRange | "none" | undefined {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "") ?? [];
  if (first === "" && last === "") return undefined;
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "none" : { start: size - length, end: size };
  }
  const start = Number(first);
  const end = last === "" ? size : Math.min(Number(last) + 1, size);
  return start >= size || end <= start ? "none" : { start, end };
}
