import { WhittleError } from "../io/index.ts";

/** A port of a container that the machine answers for it. */
export interface PublishedPort {
  /** The machine's address that is listened on; empty stands for all of them. */
  readonly hostAddress: string;
  /** 0 lets the kernel choose a free one. */
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: "tcp" | "udp";
}

/** The most ports one container may publish; a range given by mistake must not open thousands of sockets. */
const mostPorts = 256;

/** Address, the machine's ports, the container's ports, protocol. */
const published =
  /^(?:(?:(\[[0-9a-fA-F:.]+\]|[0-9]+(?:\.[0-9]+){3}|localhost):)?([0-9]+(?:-[0-9]+)?)?:)?([0-9]+(?:-[0-9]+)?)(?:\/([a-z]+))?$/;

/**
 * Reads what `-p` takes: `CONTAINER`, `HOST:CONTAINER`, `ADDRESS:HOST:CONTAINER`, `ADDRESS::CONTAINER`, each port
 * a number or a range `FROM-TO`, the last one with `/tcp`, `/udp` or nothing. An IPv6 address stands in brackets.
 *
 * @throws WhittleError `USAGE`
 */
export function parsePublish(text: string): PublishedPort[] {
  const match = published.exec(text);
  if (match === null) throw invalid(text, "HOST:CONTAINER is wanted, for example 8080:80");
  const [, address = "", host, container = "", protocol = "tcp"] = match;
  if (protocol !== "tcp" && protocol !== "udp") {
    throw invalid(text, `TCP and UDP are forwarded, not ${protocol}`);
  }
  const inside = portRange(container, text);
  const outside = host === undefined ? inside.map(() => 0) : portRange(host, text);
  if (outside.length !== inside.length) throw invalid(text, "both ranges must have the same length");
  const hostAddress = address === "localhost" ? "127.0.0.1" : address.replace(/^\[|\]$/g, "");
  return inside.map((containerPort, index) => {
    if (containerPort === 0) throw invalid(text, "a container's port is between 1 and 65535");
    return { hostAddress, hostPort: outside[index] ?? 0, containerPort, protocol };
  });
}

/** `0.0.0.0:8080->80/tcp`, as `docker ps` shows it. */
export function formatPublished(port: PublishedPort): string {
  const address = port.hostAddress === "" ? "0.0.0.0" : port.hostAddress;
  const host = address.includes(":") ? `[${address}]` : address;
  return `${host}:${port.hostPort}->${port.containerPort}/${port.protocol}`;
}

function portRange(text: string, whole: string): number[] {
  const [from = "", to = from] = text.split("-");
  const first = Number(from);
  const last = Number(to);
  if (first > 65535 || last > 65535) throw invalid(whole, "ports go up to 65535");
  if (last < first) throw invalid(whole, "the range runs backwards");
  if (last - first >= mostPorts) throw invalid(whole, `at most ${mostPorts} ports are published at once`);
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function invalid(text: string, found: string): WhittleError {
  return new WhittleError("USAGE", `Cannot publish "${text.slice(0, 100)}": ${found}`);
}
