import { connectTo } from "./connect.ts";

// A record of TLS that holds no message (RFC 8446, section 5.1), and two line ends for a server that reads lines.
const neither = Buffer.from([22, 3, 1, 0, 4, 13, 10, 13, 10]);
const name = Buffer.from("HTTP/");
// Milliseconds; who does not answer by then is asked in the ordinary way.
const patience = 500;

/**
 * Whether a server certainly speaks plain HTTP and no TLS: it answers what is a request of neither in HTTP. To find
 * that out by TLS takes as long as starting the program does.
 *
 * @param address - with the scheme `http:`
 */
export async function speaksPlainHttp(address: string, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  const socket = (await connectTo(new URL(address), {}))();
  return new Promise((resolve) => {
    let heard = Buffer.alloc(0);
    const end = (): void => void socket.destroy();
    signal.addEventListener("abort", end, { once: true });
    socket.setTimeout(patience, end);
    socket.on("error", end);
    socket.on("data", (bytes: Buffer) => {
      heard = Buffer.concat([heard, bytes]);
      if (heard.length >= name.length) end();
    });
    socket.on("close", () => {
      signal.removeEventListener("abort", end);
      resolve(heard.subarray(0, name.length).equals(name));
    });
    socket.write(neither);
  });
}
