import { closeSync } from "node:fs";
import type { Socket } from "node:net";

/** The system calls; failures are negative. */
interface Calls {
  /** Another number for an open connection, which programs that are started do not inherit (fcntl(2)). */
  duplicate(descriptor: number): number;
  /** @param place - where in the file to begin, which the call moves on (sendfile(2)) */
  sendfile(to: number, from: number, place: BigInt64Array, length: number): Promise<number>;
}

// Loading what makes system calls takes as long as reading so many bytes does.
const worthLoading = 32 * 1024 * 1024;
// Others want their turn, and the person wants to see that something moves.
const mostAtOnce = 4 * 1024 * 1024;
// F_DUPFD_CLOEXEC of Linux.
const duplicateForUs = 1030;

// What went by connections without their knowing.
const beside = new WeakMap<Socket, number>();

let calls: Promise<Calls | undefined> | undefined;

/**
 * The kernel's own way from files to a connection (sendfile(2)), where no byte comes by here: half the processor time
 * of reading and writing. The connection has a number of its own for this: when it is closed while bytes are on their
 * way, the number that others know it by may be another file's at once.
 */
export class Sendfile {
  readonly #system: Calls;
  readonly #socket: Socket;
  readonly #connection: number;
  readonly #place = new BigInt64Array(1);

  private constructor(system: Calls, socket: Socket, connection: number) {
    this.#system = system;
    this.#socket = socket;
    this.#connection = connection;
  }

  /**
   * Opens the way to a connection on which nothing waits to be sent.
   *
   * @param bytes - how many will go by it
   * @returns nothing where there is none: on another system than Linux of 64 bits, or with TLS; or where it does not
   *   pay: for few bytes, and to this machine
   */
  static async open(socket: Socket, bytes: number): Promise<Sendfile | undefined> {
    if (process.platform !== "linux" || "encrypted" in socket) return undefined;
    if (calls === undefined && bytes < worthLoading) return undefined;
    // What was just copied is received in less time than memory of the file, by more than copying takes.
    if (socket.localAddress === socket.remoteAddress) return undefined;
    calls ??= load().catch(() => undefined);
    const system = await calls;
    const number = numberOf(socket);
    if (system === undefined || number === undefined) return undefined;
    const own = system.duplicate(number);
    return own < 0 ? undefined : new Sendfile(system, socket, own);
  }

  /**
   * Sends as many bytes of an open file as the connection has room for at once; a disk is waited for aside. One call at
   * a time. What stands in the way, an end of the file or of the connection too, is for whoever reads and writes to find.
   *
   * @returns how many bytes were sent; 0 when none could be
   */
  async send(file: number, at: number, length: number): Promise<number> {
    this.#place[0] = BigInt(at);
    const most = Math.min(length, mostAtOnce);
    if (most <= 0) return 0;
    const sent = Math.max(0, await this.#system.sendfile(this.#connection, file, this.#place, most));
    beside.set(this.#socket, (beside.get(this.#socket) ?? 0) + sent);
    return sent;
  }

  /** To be called once, when nothing is on its way. */
  close(): void {
    closeSync(this.#connection);
  }
}

/** Bytes that were sent by a connection, with those that its own count lacks because the kernel took them from files. */
export function bytesSent(socket: Socket): number {
  return socket.bytesWritten + (beside.get(socket) ?? 0);
}

/** What the system knows a connection by; the types do not tell of it. */
function numberOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd?: unknown } | null };
  return typeof handle?.fd === "number" && handle.fd >= 0 ? handle.fd : undefined;
}

async function load(): Promise<Calls | undefined> {
  const { default: koffi } = await import("koffi");
  // With shorter ones a place in a file has another size.
  if (koffi.sizeof("long") !== 8) return undefined;
  const library = koffi.load(null);
  const fcntl = library.func("int fcntl(int, int, ...)");
  const sendfile = library.func("int64 sendfile(int, int, void *, size_t)");
  return {
    duplicate: (descriptor) => Number(fcntl(descriptor, duplicateForUs, "int", 0)),
    sendfile: (to, from, place, length) =>
      new Promise((resolve, reject) => {
        sendfile.async(to, from, place, length, (error: unknown, sent: unknown) => {
          if (error === null) resolve(Number(sent));
          else reject(error);
        });
      }),
  };
}
