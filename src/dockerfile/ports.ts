import { isIP } from "node:net";
import { invalid } from "./place.ts";

/**
 * The ports that one word of EXPOSE names: `80`, `80/udp`, `8000-8010`; an address and a port of the host before
 * them are checked and left out.
 *
 * @returns them as `80/tcp`
 * @throws WhittleError `DOCKERFILE_INVALID` when they are none
 */
export function parsePorts(spec: string): string[] {
  const refuse = (reason: string): never => {
    throw invalid(`Cannot expose ports: invalid port: ${JSON.stringify(spec)}: ${reason}`);
  };
  const parts = spec.split(":");
  const [raw = "", protocolGiven = ""] = cut(parts.pop() ?? "", "/");
  const hostPort = parts.pop() ?? "";
  const address = parts.join(":");
  if (raw === "") refuse("no port specified");
  const protocol = protocolGiven.toLowerCase() || "tcp";
  if (!["tcp", "udp", "sctp"].includes(protocol)) refuse(`invalid proto: ${protocolGiven}`);
  const bare = /^\[(.*)\]:?$/.exec(address)?.[1] ?? address;
  if (bare !== "" && (isIP(bare) === 0 || bare.includes("%"))) refuse(`invalid IP address: ${address}`);
  const [first, last] = rangeOf(raw) ?? refuse(`invalid containerPort: ${raw}`);
  if (hostPort !== "") {
    const [hostFirst, hostLast] = rangeOf(hostPort) ?? refuse(`invalid hostPort: ${hostPort}`);
    if (last !== first && last - first !== hostLast - hostFirst) {
      refuse(`invalid ranges specified for container and host Ports: ${raw} and ${hostPort}`);
    }
  }
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`);
}

function cut(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function rangeOf(text: string): [number, number] | undefined {
  const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return first <= last && last <= 0xffff ? [first, last] : undefined;
}
