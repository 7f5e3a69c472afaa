import { setTimeout as sleep } from "node:timers/promises";
import { isSystemError, WhittleError } from "../io/index.ts";

/** How often and after what time a failed request is made again. */
export interface RetryPolicy {
  /** Requests in all. */
  readonly attempts: number;
  /** Milliseconds before the second one; doubled each time, give or take half. */
  readonly delay: number;
}

/** Seconds that a server may ask to wait; one that asks for more is not asked again. */
const longestWait = 60;

/** What is attempted, in words for the error that ends it. */
export interface Attempt {
  /** As the words after "Cannot": `download https://…`. */
  readonly doing: string;
  /** What a person can do about it. */
  readonly hint?: string;
}

/** A failure of the transfer itself, worth another try. */
export class Transient extends Error {}

/** A proxy's refusal to carry a request on; asking again makes no difference. */
export class ProxyRefused extends Error {}

/** A server's refusal. */
export class HttpStatus extends Error {
  readonly status: number;
  /** Seconds that the server asks to wait. */
  readonly after: number;

  constructor(status: number, message = `answers ${status}`, after = 0) {
    super(message);
    this.status = status;
    this.after = after;
  }

  static of(response: {
    readonly statusCode: number;
    readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  }): HttpStatus {
    const after = secondsOf(response.headers["retry-after"]);
    return new HttpStatus(response.statusCode, `answers ${response.statusCode}`, after);
  }
}

/** A Retry-After header: a number of seconds, or a date (RFC 9110, section 10.2.3). */
function secondsOf(header: string | string[] | undefined): number {
  if (typeof header !== "string") return 0;
  const seconds = /^\s*\d+(?:\.\d+)?\s*$/.test(header)
    ? Number(header)
    : Math.ceil((Date.parse(header) - Date.now()) / 1000);
  return Number.isFinite(seconds) ? Math.max(seconds, 0) : 0;
}

/**
 * Runs a request again while its failure may pass.
 *
 * @throws WhittleError `NETWORK` once it is final
 */
export async function retrying<T>(
  about: Attempt,
  policy: RetryPolicy,
  signal: AbortSignal,
  request: () => Promise<T>,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await request();
    } catch (error) {
      await pauseBeforeRetry(error, { ...about, failures, policy, signal });
    }
  }
}

/** Waits as the policy says; throws instead when the failure is final, the last allowed, or of our own making. */
export async function pauseBeforeRetry(
  error: unknown,
  about: Attempt & {
    readonly failures: number;
    readonly policy: RetryPolicy;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  about.signal.throwIfAborted();
  if (error instanceof WhittleError || !ofTransfer(error)) throw error;
  if (!passes(error) || about.failures >= about.policy.attempts) throw networkError(about, error);
  const after = error instanceof HttpStatus ? error.after * 1000 : 0;
  const backOff = about.policy.delay * 2 ** (about.failures - 1) * (0.5 + Math.random());
  await sleep(Math.max(after, backOff), undefined, { signal: about.signal }).catch(() => {
    throw about.signal.reason;
  });
}

function ofTransfer(error: unknown): boolean {
  return [Transient, ProxyRefused, HttpStatus].some((kind) => error instanceof kind) || isSystemError(error);
}

function passes(error: unknown): boolean {
  if (error instanceof Transient) return true;
  if (error instanceof HttpStatus) {
    // To ask before it is time would only make the server ask for more.
    const isSoon = error.after <= longestWait;
    return isSoon && (error.status === 408 || error.status === 429 || error.status >= 500);
  }
  return isSystemError(error) && !untrusted.test(error.code ?? "") && !isTls(error);
}

// Codes of OpenSSL's verification and Node's own: DEPTH_ZERO_SELF_SIGNED_CERT, UNABLE_TO_VERIFY_LEAF_SIGNATURE,
// ERR_TLS_CERT_ALTNAME_INVALID. Asking again makes no certificate better.
const untrusted = /^(?!ERR_SSL_).*(?:CERT|LEAF_SIGNATURE)/;

/** Whether two sides could not agree on how to speak TLS, or one of them does not; that is so the next time as well. */
function isTls(error: NodeJS.ErrnoException): boolean {
  return /^ERR_SSL_|^EPROTO$/.test(error.code ?? "");
}

/** Says for a person why a request failed. */
export function networkError({ doing, hint }: Attempt, error: unknown): WhittleError {
  return new WhittleError("NETWORK", `Cannot ${doing}: ${explain(error)}`, {
    hint: hintFor(error) ?? hint ?? "check the connection and the proxy variables",
    cause: error,
  });
}

/** What to do about failures that leave no doubt. */
function hintFor(error: unknown): string | undefined {
  if (error instanceof HttpStatus && error.after > longestWait)
    return "that is longer than it is waited for: try again then";
  if (error instanceof HttpStatus && error.status === 429)
    return "try again later, or log in: many servers allow more to those whom they know";
  if (error instanceof HttpStatus && error.status >= 500)
    return "its log tells why; it may be well again later";
  if (error instanceof ProxyRefused)
    return "check http_proxy, https_proxy and no_proxy; a name and a password for a proxy go before its host, with @ after them";
  if (isSystemError(error) && untrusted.test(error.code ?? ""))
    return "check the address; an authority that this machine does not know is named by NODE_EXTRA_CA_CERTS or, for a registry, by ca: in registries.yaml";
  return undefined;
}

// What Node's parser says of an answer that is none from its first word on.
const notHttp = /^Parse Error: Expected HTTP\//;

const explanations: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the server refuses the connection",
  ECONNRESET: "the server broke the connection",
  ENOTFOUND: "the server's name is not known",
  EAI_AGAIN: "the server's name cannot be looked up",
  EHOSTUNREACH: "the server cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  UND_ERR_CONNECT_TIMEOUT: "the server does not answer",
  UND_ERR_HEADERS_TIMEOUT: "the server accepts the request and does not answer it",
  UND_ERR_BODY_TIMEOUT: "the transfer has stalled",
  UND_ERR_SOCKET: "the server broke the connection",
};

/** What a failure was, for a person. */
export function explain(error: unknown): string {
  if (error instanceof HttpStatus) return `the server ${error.message}`;
  if (isSystemError(error) && untrusted.test(error.code ?? "")) {
    return `the server's certificate is not trusted (${error.message.split(";")[0]})`;
  }
  if (isSystemError(error) && isTls(error)) return tlsFailure(error);
  if (isSystemError(error) && notHttp.test(error.message)) return "the server does not speak HTTP there";
  if (isSystemError(error))
    return (explanations[error.code ?? ""] ?? error.message).replace("'s name", nameOf(error));
  return error instanceof Error ? error.message : String(error);
}

/** The name that is not known, which may be one that a server redirected to (dns.promises, "Error codes"). */
function nameOf(error: NodeJS.ErrnoException & { readonly hostname?: unknown }): string {
  return typeof error.hostname === "string" ? `'s name ${error.hostname}` : "'s name";
}

/** What OpenSSL found, without the names of its source files; a write that fails of it has it in its message only. */
function tlsFailure(error: NodeJS.ErrnoException & { readonly reason?: string }): string {
  const reason = error.reason ?? /:error:[^:]*:[^:]*:[^:]*:([^:]+):/.exec(error.message)?.[1];
  const found = `${error.code} ${reason?.replaceAll(" ", "_")}`;
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/i.test(found)) {
    return "the server speaks no TLS there";
  }
  if (/CERTIFICATE_REQUIRED/i.test(found)) return "the server wants to see a certificate of this client";
  // What servers of TLS 1.2 say, and those written in Go, when there is none as well.
  if (/ALERT_(?:BAD|UNKNOWN|UNSUPPORTED|REVOKED|EXPIRED)_(?:CERTIFICATE|CA)|ALERT_CERTIFICATE/i.test(found)) {
    return "the server wants to see a certificate of this client, or another one";
  }
  return `no TLS connection could be made (${reason ?? error.code})`;
}
