import type { Dispatcher } from "undici";
import { type Environment, WhittleError } from "../io/index.ts";
import { HttpStatus } from "./retry.ts";

/** Sends one request; the answer's body has yet to be read. */
export type Send = (
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal,
) => Promise<Dispatcher.ResponseData>;

const mostRedirects = 5;

/**
 * Opens what sends one request with its redirects, through the proxies that the environment names. Credentials of
 * an address go to its own origin only.
 *
 * @param stall - milliseconds of silence after which a request fails
 */
export async function openSender(environment: Environment, stall: number): Promise<Send> {
  const { Agent, EnvHttpProxyAgent, request } = await import("undici");
  const timeouts = {
    headersTimeout: stall,
    bodyTimeout: stall,
    connect: { timeout: Math.min(stall, 10_000) },
  };
  const httpsProxy = proxyAddress(environment, "https_proxy");
  const direct = new Agent(timeouts);
  const proxied = new EnvHttpProxyAgent({
    ...timeouts,
    httpProxy: proxyAddress(environment, "http_proxy"),
    httpsProxy,
    noProxy: environment["no_proxy"] ?? environment["NO_PROXY"] ?? "",
  });
  return async (start, headers, signal) => {
    let url = new URL(start);
    for (let hop = 0; hop <= mostRedirects; hop++) {
      const { username, password, origin, pathname, search } = url;
      const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
      const response = await request(`${origin}${pathname}${search}`, {
        dispatcher: url.protocol === "https:" && httpsProxy === "" ? direct : proxied,
        signal,
        headers: {
          "user-agent": "whittle",
          "accept-encoding": "identity",
          ...(username === ""
            ? {}
            : { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` }),
          ...headers,
        },
      });
      const location = response.headers["location"];
      if (![301, 302, 303, 307, 308].includes(response.statusCode) || typeof location !== "string") {
        return response;
      }
      await response.body.dump();
      const next = new URL(location, url);
      if (!/^https?:$/.test(next.protocol) || (url.protocol === "https:" && next.protocol === "http:")) {
        throw new HttpStatus(response.statusCode, "redirects to an address that is not safe to follow");
      }
      url = next;
    }
    throw new HttpStatus(310, `redirects more than ${mostRedirects} times`);
  };
}

/** What the usual variables say, in either case, as an address without a path; empty when they say nothing. */
function proxyAddress(environment: Environment, variable: string): string {
  const names = [variable, variable.toUpperCase(), "all_proxy", "ALL_PROXY"];
  const name = names.find((candidate) => (environment[candidate] ?? "") !== "");
  if (name === undefined) return "";
  const text = environment[name] ?? "";
  const address = /^[a-z0-9+.-]+:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new WhittleError(
      "ENVIRONMENT",
      `Cannot use the proxy that ${name} names: it is not an http address`,
      {
        hint: `set ${name} to an address like http://proxy:3128, or unset it`,
      },
    );
  }
  const credentials = url.username === "" ? "" : `${url.username}:${url.password}@`;
  return `${url.protocol}//${credentials}${url.host}`;
}
