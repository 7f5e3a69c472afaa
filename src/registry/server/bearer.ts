import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";

/** What a token server answers (distribution, "Token Authentication Specification"). */
export interface Grant {
  readonly token: string;
  /** The same, as OAuth 2.0 calls it. */
  readonly access_token: string;
  /** Seconds. */
  readonly expires_in: number;
  readonly issued_at: string;
}

const seconds = 15 * 60;

/** Tokens that say whose they are, and until when; the next server knows none of them, and clients fetch others. */
export class BearerTokens {
  readonly #key = randomBytes(32);

  /** @param user - empty for who did not say who they are */
  issue(user: string, now = Date.now()): Grant {
    const claim = Buffer.from(`${now + seconds * 1000} ${user}`).toString("base64url");
    const token = `${claim}.${this.#sign(claim).toString("base64url")}`;
    return { token, access_token: token, expires_in: seconds, issued_at: new Date(now).toISOString() };
  }

  /** Whose a token is; nothing where it is none of these, or none any more. */
  userOf(token: string, now = Date.now()): string | undefined {
    const [claim = "", signature = ""] = token.split(".", 2);
    const [signed, shown] = [this.#sign(claim), Buffer.from(signature, "base64url")];
    if (shown.length !== signed.length || !timingSafeEqual(shown, signed)) return undefined;
    const [, until, user] = /^(\d+) (.*)$/s.exec(Buffer.from(claim, "base64url").toString("utf8")) ?? [];
    return Number(until) > now ? user : undefined;
  }

  #sign(claim: string): Buffer {
    return createHmac("sha256", this.#key).update(claim).digest();
  }
}

/** Sends a client for a token (RFC 6750, section 3; clients want an address with a host). */
export function bearerChallenge(origin: string, repository?: string, error?: string): string {
  const scope = repository === undefined ? "" : `,scope="repository:${repository}:pull,push"`;
  const why = error === undefined ? "" : `,error="${error}"`;
  return `Bearer realm="${origin}/v2/token",service="whittle"${scope}${why}`;
}

/** Where a client thinks that it is: a proxy in front may be the one that speaks TLS. */
export function originOf({ headers, socket }: IncomingMessage): string {
  const isSecure = (socket as Partial<TLSSocket>).encrypted === true;
  const scheme = isSecure || headers["x-forwarded-proto"] === "https" ? "https" : "http";
  const host = headers.host ?? "";
  return `${scheme}://${/^[\w.:[\]-]+$/.test(host) ? host : "localhost"}`;
}
