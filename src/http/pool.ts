import { connectTo, type Trust } from "./connect.ts";
import { Connection, type Exchange } from "./connection.ts";
import type { Answer } from "./send.ts";
import { type Slots, slots } from "./slots.ts";

/** How the servers of a pool are reached. */
export interface PoolOptions {
  /** Milliseconds of silence after which a request fails. */
  readonly stall: number;
  /** Milliseconds for a connection to be made. */
  readonly connecting: number;
  /** How servers are trusted. */
  readonly tls: Trust;
}

// To one server at a time; the rest waits in line.
const mostConnections = 32;
// Milliseconds that a connection is kept for the next request: servers keep theirs for five seconds or longer.
const idleTime = 4000;

/** The connections to one server. */
interface Server {
  readonly places: Slots;
  readonly idle: Map<Connection, NodeJS.Timeout>;
}

/** Connections straight to servers, kept for a while for the next request. */
export class Pool {
  readonly #options: PoolOptions;
  readonly #servers = new Map<string, Server>();

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /**
   * Sends a request. One that finds its connection closed by a server that did not want to keep it any longer is sent
   * over a new one, where its body can be sent again.
   *
   * @throws Error with a code, as connections fail; what the body's source throws; the signal's reason
   */
  async request(request: Exchange): Promise<Answer> {
    const server = this.#server(request.url.origin);
    const free = await server.places.acquire(request.signal);
    const ended =
      (connection: Connection) =>
      (reusable: boolean): void => {
        if (reusable) keep(server, connection);
        free();
      };
    try {
      const kept = takeKept(server);
      if (kept !== undefined) {
        try {
          return await kept.exchange(request, ended(kept));
        } catch (error) {
          const isStream = request.body !== undefined && !(request.body instanceof Uint8Array);
          if (kept.isHeard || isStream || request.signal.aborted) throw error;
        }
      }
      const { socket, ready } = (await connectTo(request.url, this.#options.tls))();
      const connection = new Connection(socket, ready, this.#options);
      return await connection.exchange(request, ended(connection));
    } catch (error) {
      free();
      throw error;
    }
  }

  #server(origin: string): Server {
    const known = this.#servers.get(origin);
    if (known !== undefined) return known;
    const made: Server = { places: slots(mostConnections), idle: new Map() };
    this.#servers.set(origin, made);
    return made;
  }
}

function keep({ idle }: Server, connection: Connection): void {
  connection.hold(false);
  const close = setTimeout(() => {
    idle.delete(connection);
    connection.destroy();
  }, idleTime);
  idle.set(connection, close.unref());
}

/** The connection that was used last: a server has had the least time to close it. */
function takeKept({ idle }: Server): Connection | undefined {
  for (const [connection, close] of [...idle].reverse()) {
    clearTimeout(close);
    idle.delete(connection);
    connection.hold(true);
    if (connection.isIdle) return connection;
    connection.destroy();
  }
  return undefined;
}
