import type { Agent, ClientRequest } from "node:http";
import type { AgentOptions } from "node:https";
import { mostConnections, type Patience, type Trust } from "./connect.ts";
import { Exchange, type ExchangeRequest } from "./exchange.ts";
import type { Answer } from "./send.ts";

/** How the servers of a pool are reached. */
export interface PoolOptions extends Patience {
  /** How servers are trusted. */
  readonly tls: Trust;
}

/** What begins a request by one scheme. */
type Begin = (request: ExchangeRequest) => ClientRequest;

/** Connections straight to servers, kept for a while for the next request. */
export class Pool {
  readonly #options: PoolOptions;
  readonly #begins = new Map<string, Begin>();

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /**
   * Sends a request. One that finds its connection closed by a server that did not want to keep it any longer is sent
   * over another one, where its body can be sent again.
   *
   * @throws Error with a code, as connections fail; what the body's source throws; the signal's reason
   */
  async request(request: ExchangeRequest): Promise<Answer> {
    request.signal.throwIfAborted();
    const begin = this.#begin(request.url.protocol);
    for (;;) {
      const exchange = new Exchange(request, begin, this.#options);
      try {
        return await exchange.answer();
      } catch (error) {
        const isStream = request.body !== undefined && !(request.body instanceof Uint8Array);
        if (!exchange.wasClosed || isStream || request.signal.aborted) throw error;
      }
    }
  }

  #begin(protocol: string): Begin {
    const known = this.#begins.get(protocol);
    if (known !== undefined) return known;
    const made = begins(protocol, this.#options.tls);
    this.#begins.set(protocol, made);
    return made;
  }
}

function begins(protocol: string, tls: Trust): Begin {
  const options: AgentOptions = { keepAlive: true, scheduling: "lifo", maxSockets: mostConnections };
  // Importing node:http loads all that a browser has as well, which takes as long as starting the program does.
  const { Agent: AgentOf, request } = process.getBuiltinModule(
    protocol === "https:" ? "node:https" : "node:http",
  );
  const agent: Agent = new AgentOf(protocol === "https:" ? { ...options, ...tls } : options);
  return ({ url, method = "GET", headers }) => request(url, { agent, method, headers });
}
