import { connect as connectPlain, isIP, type OnReadOpts, type Socket } from "node:net";

/** How long a server is waited for. */
export interface Patience {
  /** Milliseconds of silence after which a request fails. */
  readonly stall: number;
  /** Milliseconds for a connection to be made. */
  readonly connecting: number;
}

/** To one server at a time; the rest waits in line. */
export const mostConnections = 32;

/** How servers are trusted, and what the client shows, as Node's TLS wants it. */
export interface Trust {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized?: boolean;
}

/** Begins to connect; what is read goes where `onread` says, or is told in events. */
export type Connect = (onread?: OnReadOpts) => Socket;

/** Makes ready to connect to the server of an address. */
export async function connectTo(url: URL, trust: Trust): Promise<Connect> {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (url.protocol === "http:") {
    const place = { host, port: Number(url.port || 80) };
    return (onread) => connectPlain(onread === undefined ? place : { ...place, onread });
  }
  // Takes as long to load as all else that a plain connection needs.
  const { connect } = await import("node:tls");
  const name = isIP(host) === 0 ? { servername: host } : {};
  const place = { ...trust, ...name, host, port: Number(url.port || 443), ALPNProtocols: ["http/1.1"] };
  // The types do not know that a connection by TLS can be read like a plain one.
  return (onread) => connect(onread === undefined ? place : Object.assign({ onread }, place));
}
