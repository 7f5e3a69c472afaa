import type { Answer } from "./send.ts";

/** What a server says before the body (RFC 9112, section 4). */
export type AnswerHead = Pick<Answer, "statusCode" | "headers">;

/** A failure with the code that the rest of this folder's requests fail with. */
export function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** The head of a GET that has a connection to itself, as it is sent; nothing when a header would say more than its value. */
export function requestHead(url: URL, headers: Readonly<Record<string, string>>): string | undefined {
  const all = Object.entries({ ...headers, host: url.host, connection: "close" });
  if (all.some(([, value]) => /[^\t\x20-\x7e\x80-\xff]/.test(value))) return undefined;
  const lines = all.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines}\r\n`;
}

/** The head of an answer without the empty line after it; nothing where it is none. */
export function parseHead(text: string): AnswerHead | undefined {
  const [first = "", ...lines] = text.split("\r\n");
  const status = /^HTTP\/1\.[01] ([1-5]\d\d)(?: |$)/.exec(first)?.[1];
  if (status === undefined) return undefined;
  const headers: Record<string, string | string[]> = Object.create(null);
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const key = name.toLowerCase();
    const before = headers[key];
    headers[key] = before === undefined ? value : [before, value].flat();
  }
  return { statusCode: Number(status), headers };
}

/** How many bytes an answer to GET has; nothing where it tells that in another way, or in more than one. */
export function bodyLength({ statusCode, headers }: AnswerHead): number | undefined {
  if (statusCode === 204 || statusCode === 304) return 0;
  const { "content-length": length, "transfer-encoding": coding } = headers;
  if (coding !== undefined || typeof length !== "string" || !/^\d{1,15}$/.test(length)) return undefined;
  return Number(length);
}
