import { createSocket, type RemoteInfo, type Socket } from "node:dgram";

/** One client outside, and the socket that stands for it inside. */
interface Conversation {
  readonly inside: Socket;
  idle: NodeJS.Timeout;
}

/** As long as nobody says anything; the same as Docker's proxy. */
const longestSilence = 90_000;
/** So many clients at once; who comes then waits for one to fall silent. */
const mostClients = 1000;

/**
 * Passes the datagrams that come to a socket of the machine on to a port in here, and the answers back. Each client
 * gets a socket of its own inside, so that answers find their way.
 */
export function forwardDatagrams(outside: Socket, containerPort: number): void {
  const conversations = new Map<string, Conversation>();
  outside.on("error", () => undefined);
  outside.on("message", (datagram, client) => {
    const key = `${client.address} ${client.port}`;
    const known = conversations.get(key) ?? begin(key, client);
    if (known === undefined) return;
    known.idle.refresh();
    known.inside.send(datagram, containerPort, "127.0.0.1");
  });

  function begin(key: string, client: RemoteInfo): Conversation | undefined {
    if (conversations.size >= mostClients) return undefined;
    const inside = createSocket("udp4");
    const idle = setTimeout(end, longestSilence);
    const conversation = { inside, idle };
    conversations.set(key, conversation);
    inside.on("error", () => undefined);
    inside.on("message", (datagram) => {
      idle.refresh();
      outside.send(datagram, client.port, client.address);
    });
    return conversation;

    function end(): void {
      conversations.delete(key);
      inside.close();
    }
  }
}
