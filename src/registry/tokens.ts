import type { Answer, Sender } from "../http/index.ts";
import { WhittleError } from "../io/index.ts";
import type { Challenge } from "./challenge.ts";
import { basicAuthorization, type Credential } from "./credential.ts";
import { bodyText, refusal } from "./refusal.ts";

/** An Authorization header and until when it may be used. */
export interface Authorization {
  readonly header: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** Who asks for what, where. */
export interface TokenRequest {
  /** What it is for, as the words after "Cannot". */
  readonly doing: string;
  readonly host: string;
  /** Scopes like `repository:library/debian:pull`. */
  readonly scopes: readonly string[];
  readonly credential: Credential | undefined;
  readonly signal: AbortSignal;
  /** Where the registry answered: a token server of a TLS registry has to speak TLS too. */
  readonly address: string;
}

// What a token server says nothing about lasts a minute (distribution's "Token Authentication", `expires_in`).
const usualSeconds = 60;
// A token is not used in its last seconds: the request has to arrive.
const margin = 10;

/**
 * What to show after a challenge: a name and a password, or a token that the named server gives for them.
 *
 * @throws WhittleError `REGISTRY_DENIED` when there is nothing to show, or the token server refuses
 */
export async function authorize(
  challenges: readonly Challenge[],
  request: TokenRequest,
  send: Sender,
): Promise<Authorization> {
  const { credential, host, doing } = request;
  if (credential?.kind === "bearer")
    return { header: `Bearer ${credential.token}`, until: Number.POSITIVE_INFINITY };
  const bearer = challenges.find(({ scheme, parameters }) => scheme === "bearer" && "realm" in parameters);
  if (bearer !== undefined) return fetchToken(bearer, request, send);
  const basic = challenges.some(({ scheme }) => scheme === "basic");
  if (basic && credential?.kind === "password") {
    const header = basicAuthorization(credential.username, credential.password);
    return { header, until: Number.POSITIVE_INFINITY };
  }
  throw new WhittleError(
    "REGISTRY_DENIED",
    `Cannot ${doing}: the registry ${host} wants to know who is asking`,
    {
      hint: `whittle login ${host}`,
    },
  );
}

async function fetchToken(challenge: Challenge, request: TokenRequest, send: Sender): Promise<Authorization> {
  const { host, scopes, credential, signal, address } = request;
  const { realm = "", service, scope } = challenge.parameters;
  const doing = `get a token for ${host}`;
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "") {
    throw new WhittleError("REGISTRY_REFUSED", `Cannot ${doing}: it names no usable token server`);
  }
  if (address.startsWith("https:") && url.protocol === "http:") {
    throw new WhittleError(
      "REGISTRY_REFUSED",
      `Cannot ${doing}: it names a token server without TLS (${url.origin}), credentials are not sent there`,
    );
  }
  const wanted = [
    ...new Set([...scopes, ...(scope === undefined || scopes.length > 0 ? [] : scope.split(" "))]),
  ];
  const fields = new URLSearchParams();
  if (service !== undefined) fields.set("service", service);
  const since = Date.now();
  let answer: Answer;
  if (credential?.kind === "identity") {
    fields.set("grant_type", "refresh_token");
    fields.set("client_id", "whittle");
    fields.set("refresh_token", credential.token);
    if (wanted.length > 0) fields.set("scope", wanted.join(" "));
    answer = await send(url.href, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: Buffer.from(fields.toString()),
      ...{ signal, bulk: false },
    });
  } else {
    for (const item of wanted) fields.append("scope", item);
    if (credential?.kind === "password") fields.set("account", credential.username);
    for (const [name, value] of fields) url.searchParams.append(name, value);
    answer = await send(url.href, {
      headers:
        credential?.kind === "password"
          ? { authorization: basicAuthorization(credential.username, credential.password) }
          : {},
      ...{ signal, bulk: false },
    });
  }
  if (answer.statusCode !== 200)
    throw await refusal(answer, doing, { host, called: `its token server ${url.host}` });
  const { token, seconds } = readToken(await bodyText(answer, 1024 * 1024), doing);
  return { header: `Bearer ${token}`, until: since + Math.max(seconds - margin, 1) * 1000 };
}

function readToken(text: string, doing: string): { readonly token: string; readonly seconds: number } {
  let parsed: { token?: unknown; access_token?: unknown; expires_in?: unknown } = {};
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch {
    // Said below: there is no token in it.
  }
  const token = parsed?.token ?? parsed?.access_token;
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw new WhittleError("REGISTRY_REFUSED", `Cannot ${doing}: the token server's answer holds none`);
  }
  const seconds = Number(parsed.expires_in);
  return { token, seconds: Number.isFinite(seconds) && seconds > 0 ? seconds : usualSeconds };
}
