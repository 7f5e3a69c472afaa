import { type Environment, WhittleError } from "../io/index.ts";

/**
 * What the usual variables say, in either case, as an address without a path; empty when they say nothing.
 *
 * @throws WhittleError `ENVIRONMENT` when it is no address of a proxy
 */
export function proxyAddress(environment: Environment, variable: "http_proxy" | "https_proxy"): string {
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
