import { type Answer, HttpStatus, headerOf } from "../http/index.ts";
import { documentLimits } from "../image/index.ts";
import { WhittleError } from "../io/index.ts";

/** Bytes of an error's body that are looked at. */
const mostBytes = 64 * 1024;

/** The first bytes of a body as text; what comes after is thrown away. */
export async function bodyText(answer: Answer, most = mostBytes): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > most) break;
  }
  return Buffer.concat(chunks).subarray(0, most).toString("utf8");
}

/**
 * The whole body of a manifest or list.
 *
 * @throws WhittleError `ARCHIVE_HOSTILE` above the limit of documents
 */
export async function documentOf(answer: Answer, doing: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > documentLimits.bytes) {
      throw new WhittleError(
        "ARCHIVE_HOSTILE",
        `Cannot ${doing}: the answer is longer than ${documentLimits.bytes} bytes`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** What a registry says in an error's body (distribution-spec, "Error Codes"): codes and messages, for a person. */
function said(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { errors?: readonly { code?: unknown; message?: unknown }[] };
    if (!Array.isArray(errors)) return "";
    return errors
      .slice(0, 5)
      .map(({ code, message }) =>
        [code, message].filter((part) => typeof part === "string" && part !== "").join(": "),
      )
      .filter((line) => line !== "")
      .join("; ")
      .replace(/[^\x20-\x7e\u00a0-\uffff]+/g, " ")
      .slice(0, 300);
  } catch {
    return "";
  }
}

/** What a registry says in the body of an answer that is an error; nothing where something else gave the answer. */
export async function wordsOf(answer: Answer): Promise<string> {
  return said(await bodyText(answer).catch(() => ""));
}

/** Who gave an answer that is an error. */
export interface Answering {
  /** The registry, as references name it. */
  readonly host: string;
  /** What the server is called, where it is not the registry itself. */
  readonly called?: string | undefined;
  /** Whether it is a server that the registry sent us to, which is shown no credentials. */
  readonly isElsewhere?: boolean;
}

/**
 * The error for an answer that is none of those that were expected. What may pass (408, 429, 5xx) comes back as an
 * {@link HttpStatus}, for the retrying caller.
 *
 * @param doing - as the words after "Cannot"
 */
export async function refusal(answer: Answer, doing: string, who: Answering): Promise<Error> {
  const { statusCode: status } = answer;
  const text = await wordsOf(answer);
  const { host, called = host, isElsewhere = false } = who;
  const found = text === "" ? `${called} answers ${status}` : `${called} answers ${status} (${text})`;
  if (status === 408 || status === 429 || status >= 500) {
    const { after } = HttpStatus.of(answer);
    const wait = after > 0 ? `, and asks to wait ${after} second${after === 1 ? "" : "s"}` : "";
    const says = status === 429 ? "allows no more requests for now" : `answers ${status}`;
    return new HttpStatus(status, `${says}${wait}${text === "" ? "" : ` (${text})`}`, after);
  }
  const elsewhere = isElsewhere ? `${host} sends its clients there; no credentials go along` : undefined;
  if (status === 401 || status === 403) {
    return new WhittleError("REGISTRY_DENIED", `Cannot ${doing}: ${found}`, {
      hint:
        elsewhere ??
        `whittle login ${host} with an account that may do this; a private repository looks like a missing one`,
    });
  }
  if (status === 404) {
    return new WhittleError("NOT_FOUND", `Cannot ${doing}: ${found}`, {
      hint: elsewhere ?? `check the name; whittle tags ${host}/REPOSITORY lists what there is`,
    });
  }
  if (status === 413) return tooLong(`Cannot ${doing}: ${found}`);
  return new WhittleError("REGISTRY_REFUSED", `Cannot ${doing}: ${found}`);
}

/** The error for a request that has too many bytes. */
export function tooLong(message: string): WhittleError {
  return new WhittleError("REGISTRY_REFUSED", message, {
    hint: "that is more than the registry, or a proxy in front of it, takes at a time",
  });
}

/** An address out of a Location header, against the address that was asked. */
export function locationOf(answer: Answer, asked: string, doing: string): string {
  const location = headerOf(answer, "location");
  if (location === undefined || !URL.canParse(location, asked)) {
    throw new WhittleError("REGISTRY_REFUSED", `Cannot ${doing}: the registry does not say where to send it`);
  }
  const url = new URL(location, asked);
  if (!/^https?:$/.test(url.protocol) || (asked.startsWith("https:") && url.protocol === "http:")) {
    throw new WhittleError(
      "REGISTRY_REFUSED",
      `Cannot ${doing}: the registry names an address that is not safe`,
    );
  }
  return url.href;
}
