import type { Socket as DatagramSocket } from "node:dgram";
import { connect, type Server, type Socket } from "node:net";
import { forwardDatagrams } from "./forward-datagrams.ts";

// The program that runs inside a container's network namespace. It gets listening sockets of the machine over the
// channel from its parent, accepts there, and connects to the container's own ports here.

/** What the parent sends along with a listening socket, a connection or a socket for datagrams. */
export interface ForwardMessage {
  readonly kind: "server" | "socket" | "datagrams";
  readonly containerPort: number;
}

/** What the parent sends when the container has ended: what is on its way still arrives, nothing else does. */
export interface EndMessage {
  readonly kind: "end";
}

/** A program may take a while to listen after its container started. */
const patience = 2000;
const retryAfter = 20;
/** Milliseconds that a connection may stay open behind the last byte. */
const lingering = 500;
const addresses = ["127.0.0.1", "::1"];

type Handle = Server | Socket | DatagramSocket | undefined;

/** Sockets that answer for the machine. */
const listening = new Set<Server | DatagramSocket>();
/** Connections of the machine that are not at their end. */
const connections = new Set<Socket>();
let ending = false;

process.on("message", (message: ForwardMessage | EndMessage, handle: Handle) => {
  if (message.kind === "end") {
    ending = true;
    for (const one of listening) one.close();
    exitWhenDone();
    return;
  }
  if (handle === undefined) return;
  const { kind, containerPort } = message;
  switch (kind) {
    case "socket":
      forward(Object.assign(handle as Socket, { allowHalfOpen: true }), containerPort);
      return;
    case "server":
      // What the server was made with does not come along.
      Object.assign(handle, { allowHalfOpen: true, pauseOnConnect: true });
      listening.add(handle as Server);
      handle.on("connection", (socket: Socket) => forward(socket, containerPort));
      break;
    case "datagrams":
      listening.add(handle as DatagramSocket);
      forwardDatagrams(handle as DatagramSocket, containerPort);
      break;
  }
  process.send?.({ kind, containerPort } satisfies ForwardMessage);
});
process.on("disconnect", () => process.exit(0));
// What stops the container is not meant for this process: it ends with its parent.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

function forward(outside: Socket, port: number): void {
  const deadline = performance.now() + patience;
  outside.pause();
  outside.on("error", () => undefined);
  connections.add(outside);
  outside.once("close", () => gone(outside));
  attempt(0);

  function attempt(number: number): void {
    const host = addresses[number % addresses.length] ?? "127.0.0.1";
    const inside = connect({ host, port, allowHalfOpen: true });
    inside.once("error", () => {
      inside.destroy();
      if (outside.destroyed) return;
      if (ending || performance.now() > deadline) outside.resetAndDestroy();
      else if (number % addresses.length === 0) attempt(number + 1);
      else setTimeout(attempt, retryAfter, number + 1);
    });
    inside.once("connect", () => {
      inside.removeAllListeners("error");
      join(outside, inside);
    });
  }
}

function gone(outside: Socket): void {
  connections.delete(outside);
  exitWhenDone();
}

function exitWhenDone(): void {
  if (ending && connections.size === 0) process.exit(0);
}

function join(outside: Socket, inside: Socket): void {
  for (const [one, other] of [
    [outside, inside],
    [inside, outside],
  ] as const) {
    one.setNoDelay(true);
    one.on("error", () => other.destroy());
    one.on("close", (failed) => {
      if (failed) other.destroy();
    });
    one.pipe(other);
  }
  // Whoever has got everything and does not hang up is not waited for.
  outside.once("finish", () => setTimeout(gone, lingering, outside).unref());
}
