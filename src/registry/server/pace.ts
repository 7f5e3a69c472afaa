import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { bytesSent } from "../../http/index.ts";

/** How slow a client may be: in every span of time so many bytes have to move. */
export interface Pace {
  readonly milliseconds: number;
  readonly bytes: number;
}

// Slower than any line that images are moved over.
const slowest: Pace = { milliseconds: 30_000, bytes: 4096 };

/**
 * Ends connections whose bodies crawl: a byte now and then would keep an upload, a file and memory for ever. What
 * moves nothing because the registry itself is at work does not count.
 *
 * @returns stops watching
 */
export function watchPace(
  request: IncomingMessage,
  response: ServerResponse,
  pace: Pace = slowest,
  tooSlow: () => void = () => undefined,
): () => void {
  const { socket } = request;
  let before = moved(socket);
  const timer = setInterval(() => {
    const now = moved(socket);
    const waits = clientIsWaitedFor(request, response);
    if (waits && now - before < pace.bytes) {
      tooSlow();
      socket.destroy();
    }
    before = now;
  }, pace.milliseconds);
  timer.unref();
  return () => clearInterval(timer);
}

/** Bytes that came in and that the other side took. */
function moved(socket: Socket): number {
  return socket.bytesRead + bytesSent(socket) - socket.writableLength;
}

/** Its body is wanted and not there, or an answer is there and not taken. */
function clientIsWaitedFor(request: IncomingMessage, response: ServerResponse): boolean {
  const wantsBody = !request.complete && request.readableLength === 0;
  return wantsBody || response.writableNeedDrain;
}
