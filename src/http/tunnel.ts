import type { Dispatcher, Pool, ProxyAgent } from "undici";
import { explain, ProxyRefused, Transient } from "./retry.ts";

/** What sends requests through one proxy. */
export interface Tunnel {
  readonly dispatcher: Dispatcher;
  /** What a failure of a request in plain HTTP is, whose only connection is the one to the proxy. */
  failure(error: unknown): Error;
}

/**
 * Opens what makes tunnels through proxies (RFC 9110, section 9.3.6), and sends requests in plain HTTP to them whole.
 *
 * @returns the tunnel through the proxy of an address, which may hold a name and a password
 */
export function openTunnels(
  options: Omit<ProxyAgent.Options, "uri"> & { readonly connectTimeout: number },
): (proxy: string) => Promise<Tunnel> {
  const known = new Map<string, Promise<Tunnel>>();
  return (proxy) => {
    const made = known.get(proxy) ?? tunnelThrough(proxy, options);
    known.set(proxy, made);
    return made;
  };
}

async function tunnelThrough(proxy: string, options: Omit<ProxyAgent.Options, "uri">): Promise<Tunnel> {
  const [{ default: ProxyAgentOf }, { default: PoolOf }, { default: connect }] = await Promise.all([
    import("undici/lib/dispatcher/proxy-agent.js"),
    import("undici/lib/dispatcher/pool.js"),
    import("undici/lib/api/api-connect.js"),
  ]);
  const { host } = new URL(proxy);
  const through = async (pool: Pool, asked: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> => {
    const answer = await connect.call(pool, asked).catch((error: unknown) => {
      throw failure(host, error);
    });
    if (answer.statusCode === 200) return answer;
    answer.socket.on("error", () => undefined).destroy();
    throw refused(host, answer.statusCode);
  };
  // Only undici's index gives its dispatchers the method that a proxy is asked by.
  const clientFactory = (origin: URL, given: object): Dispatcher => {
    const pool = new PoolOf(origin, given);
    return Object.assign(pool, { connect: (asked: Dispatcher.ConnectOptions) => through(pool, asked) });
  };
  return {
    dispatcher: new ProxyAgentOf({ ...options, uri: proxy, clientFactory }),
    failure: (error) => failure(host, error),
  };
}

function failure(host: string, error: unknown): Error {
  const { name, message } = error as Error;
  if (/\(407\)/.test(message)) return refused(host, 407);
  if (name === "HTTPParserError") return new ProxyRefused(`the proxy ${host} does not speak HTTP`);
  return new Transient(explain(error).replace(/^the server/, `the proxy ${host}`));
}

function refused(host: string, status: number): Error {
  if (status === 407) {
    return new ProxyRefused(
      `the proxy ${host} wants to see a name and a password, or other ones (it answers 407)`,
    );
  }
  const found = `the proxy ${host} makes no connection to the server (it answers ${status})`;
  return status >= 500 ? new Transient(found) : new ProxyRefused(found);
}
