import { BlockList, isIP } from "node:net";
import { type Environment, WhittleError } from "../io/index.ts";

/** The address of the proxy that an address is asked through, without a path; empty where it is asked directly. */
export type ProxyFor = (url: URL) => string;

/**
 * Reads the usual variables, in either case. This machine is never asked through a proxy, as Go's programs do, and so
 * docker, podman and skopeo: what listens on its loopback interface is not there for a proxy.
 *
 * @throws WhittleError `ENVIRONMENT` when a variable is no address of a proxy
 */
export function proxies(environment: Environment): ProxyFor {
  const http = proxyAddress(environment, "http_proxy");
  const https = proxyAddress(environment, "https_proxy");
  if (http === "" && https === "") return () => "";
  const isExcepted = exceptions(environment["no_proxy"] ?? environment["NO_PROXY"] ?? "");
  return (url) => (isLoopback(url.host) || isExcepted(url) ? "" : url.protocol === "https:" ? https : http);
}

/** Whether a host, with or without a port, can only be this machine. */
export function isLoopback(host: string): boolean {
  const name = host.startsWith("[") ? host.slice(0, host.indexOf("]") + 1) : host.replace(/:\d+$/, "");
  return name === "localhost" || /^127(?:\.\d{1,3}){3}$/.test(name) || name === "[::1]";
}

function proxyAddress(environment: Environment, variable: "http_proxy" | "https_proxy"): string {
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

/**
 * What `no_proxy` excepts, as curl and Go read it: `*`; a name with all names below it; `.name` or `*.name`, which are
 * those below it alone; an address; a range of addresses (`10.0.0.0/8`). A port after a name or an address is the only
 * one that counts.
 */
function exceptions(text: string): (url: URL) => boolean {
  const matchers = text
    .split(/[\s,]+/)
    .flatMap((word) => (word === "" ? [] : [exception(word.toLowerCase())]));
  return (url) => {
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
    const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
    return matchers.some((matches) => matches(host, port));
  };
}

function exception(word: string): (host: string, port: string) => boolean {
  if (word === "*") return () => true;
  const [, network = "", bits = ""] = /^(.+)\/(\d{1,3})$/.exec(word) ?? [];
  if (isIP(network) !== 0) return within(network, Number(bits));
  // An address of version 6 has a port only behind brackets.
  const [, bracketed, named] = /^\[(.+)\](?::\d+)?$|^(.+?)(?::\d+)?$/.exec(word) ?? [];
  const address = isIP(word) === 6 ? word : (bracketed ?? named ?? word);
  const wanted = address === word ? undefined : /:(\d+)$/.exec(word)?.[1];
  const isBelow = /^\*?\./.test(address);
  const name = address.replace(/^\*?\./, "").replace(/\.$/, "");
  return (host, port) =>
    (wanted === undefined || wanted === port) && ((!isBelow && host === name) || host.endsWith(`.${name}`));
}

function within(network: string, bits: number): (host: string) => boolean {
  const family = isIP(network) === 6 ? "ipv6" : "ipv4";
  if (bits > (family === "ipv6" ? 128 : 32)) return () => false;
  const list = new BlockList();
  list.addSubnet(network, bits, family);
  return (host) => isIP(host) !== 0 && list.check(host, isIP(host) === 6 ? "ipv6" : "ipv4");
}
