import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { isWholePages } from "../io/index.ts";
import { type BulkRequest, getBulk } from "./bulk.ts";

const megabyte = 1024 * 1024;

/** A server of one answer, and what it was asked and what its connections came to. */
async function serverOf(
  serve: (socket: Socket) => Promise<void> | void,
): Promise<{ request: BulkRequest; asked: string[]; closed: Promise<void> }> {
  const asked: string[] = [];
  const closed = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("close", () => closed.resolve());
    socket.once("data", (bytes) => {
      asked.push(bytes.toString("latin1"));
      // Many of them are cut off while they send.
      void (async () => serve(socket))().catch(() => undefined);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/a/b?c=d%20e`);
  const signal = new AbortController().signal;
  const request = { url, headers: { accept: "x/y" }, signal, stall: 5000, connecting: 5000, tls: {} };
  return { request, asked, closed: closed.promise };
}

/** Reads a body to its end; pieces are copied, because their memory is used again. */
async function read(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

async function get(request: BulkRequest) {
  const answer = await getBulk(request);
  if (answer === undefined) throw new Error("no plain answer");
  return answer;
}

describe("an answer in bulk", () => {
  it("is what was sent, however it was cut", async () => {
    const bytes = randomBytes(9 * megabyte + 77);
    const { request, asked, closed } = await serverOf(async (socket) => {
      const head = `HTTP/1.1 200 OK\r\nContent-Length: ${bytes.length}\r\nx-two: 1\r\nX-Two:  2 \r\nx-one:\r\n\r\n`;
      // The head byte by byte, its last ones together with the body's first.
      for (const letter of head.slice(0, -2)) {
        socket.write(letter, "latin1");
        await sleep(0);
      }
      socket.write("\r\n");
      for (let at = 0, size = 1; at < bytes.length; at += size, size = ((size * 7919) % 300_007) + 1) {
        if (!socket.write(bytes.subarray(at, at + size))) await once(socket, "drain");
      }
    });
    const { statusCode, headers, body, origin } = await get(request);
    expect([statusCode, headers["x-two"], headers["x-one"], origin]).toEqual([
      200,
      ["1", "2"],
      "",
      request.url.origin,
    ]);
    const whole: boolean[] = [];
    const pieces = async function* () {
      for await (const piece of body) {
        whole.push(isWholePages(piece));
        yield piece;
      }
    };
    const found = await read(pieces());
    expect(found.equals(bytes)).toBe(true);
    // All but the last, which is short.
    expect(whole.indexOf(false)).toBe(whole.length - 1);
    // The server leaves it open: whoever has all of it ends it.
    await closed;
    expect(asked).toEqual([
      `GET /a/b?c=d%20e HTTP/1.1\r\naccept: x/y\r\nhost: ${request.url.host}\r\nconnection: close\r\n\r\n`,
    ]);
  });

  it("has no more bytes than it said", async () => {
    const { request } = await serverOf((socket) => {
      socket.write(`HTTP/1.1 206 x\r\ncontent-length: 5\r\n\r\n12345678${"x".repeat(100_000)}`);
    });
    expect((await read((await get(request)).body)).toString()).toBe("12345");
  });

  it("may be empty", async () => {
    const { request } = await serverOf((socket) => {
      socket.write("HTTP/1.0 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    });
    const { statusCode, body } = await get(request);
    expect([statusCode, (await read(body)).length]).toEqual([404, 0]);
  });

  it("gives what came before a connection broke, and says that it did", async () => {
    const bytes = randomBytes(2 * megabyte + 3);
    const { request } = await serverOf((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${3 * megabyte}\r\n\r\n`);
      socket.end(bytes);
    });
    const pieces: Buffer[] = [];
    const { body } = await get(request);
    await expect(
      (async () => {
        for await (const piece of body) pieces.push(Buffer.from(piece));
      })(),
    ).rejects.toMatchObject({ code: "UND_ERR_SOCKET" });
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
  });

  it.each([
    ["in chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"],
    [
      "in chunks and of a length",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
    ],
    ["of no length", "HTTP/1.1 200 OK\r\n\r\nx"],
    ["of two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx"],
    ["of a wrong length", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nx"],
    ["that is still to come", "HTTP/1.1 103 Early Hints\r\ncontent-length: 1\r\n\r\n"],
    ["that is none", "SSH-2.0-x\r\n\r\n"],
    ["with a folded header", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nx: 1\r\n 2\r\n\r\n"],
    ["with a space in a name", "HTTP/1.1 200 OK\r\ncontent-length : 1\r\n\r\n"],
  ])("is left to others where it is one %s", async (_what, text) => {
    const { request, closed } = await serverOf((socket) => void socket.write(text));
    expect(await getBulk(request)).toBeUndefined();
    await closed;
  });

  it("has a head of bounded length", async () => {
    const { request, closed } = await serverOf((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(200_000)}`);
    });
    await expect(getBulk(request)).rejects.toMatchObject({ code: "UND_ERR_HEADERS_OVERFLOW" });
    await closed;
  });

  it("fails when the server is silent, before the head and after it", async () => {
    const mute = await serverOf(() => undefined);
    await expect(getBulk({ ...mute.request, stall: 50 })).rejects.toMatchObject({
      code: "UND_ERR_BODY_TIMEOUT",
    });
    const stalling = await serverOf((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${3 * megabyte}\r\n\r\n1234`);
    });
    const { body } = await get({ ...stalling.request, stall: 50 });
    await expect(read(body)).rejects.toMatchObject({ code: "UND_ERR_BODY_TIMEOUT" });
    await stalling.closed;
  });

  it("waits for whoever reads it, and holds the server up meanwhile", async () => {
    const bytes = randomBytes(40 * megabyte);
    let sent = 0;
    const { request } = await serverOf(async (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\n\r\n`);
      for (; sent < bytes.length; sent += megabyte) {
        if (!socket.write(bytes.subarray(sent, sent + megabyte))) await once(socket, "drain");
      }
    });
    const { body } = await get({ ...request, stall: 300 });
    const pieces: Buffer[] = [];
    for await (const piece of body) {
      if (pieces.length === 1) {
        const held = Buffer.from(piece);
        await sleep(700);
        // Nobody wrote over what is being looked at.
        expect(held.equals(piece)).toBe(true);
        expect(sent).toBeLessThan(bytes.length / 2);
      }
      pieces.push(Buffer.from(piece));
    }
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
  });

  it("ends with its signal, and with a reader who has enough", async () => {
    const endless = (socket: Socket): void => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${100 * megabyte}\r\n\r\n`);
      socket.write(Buffer.alloc(2 * megabyte));
    };
    const stopping = await serverOf(endless);
    const stop = new AbortController();
    const { body } = await get({ ...stopping.request, signal: stop.signal });
    const reading = read(body);
    stop.abort(new Error("stopped"));
    await expect(reading).rejects.toThrow("stopped");
    await stopping.closed;

    const enough = await serverOf(endless);
    for await (const _piece of (await get(enough.request)).body) break;
    await enough.closed;

    const unread = await serverOf(endless);
    await (await get(unread.request)).body.dump();
    await unread.closed;
  });

  it("is not asked for with a header that says more than its value", async () => {
    const { request, asked } = await serverOf(() => undefined);
    const headers = { authorization: "Bearer x\r\nx-other: y" };
    expect(await getBulk({ ...request, headers })).toBeUndefined();
    expect(asked).toEqual([]);
  });

  it("fails as connections do", async () => {
    const { request } = await serverOf(() => undefined);
    const nobody = new URL("http://127.0.0.1:1/");
    await expect(getBulk({ ...request, url: nobody })).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  it("never has other bytes than came, whatever comes", async () => {
    const head = fc.constantFrom("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", "HTTP/1.1 200 OK\r\n", "");
    await fc.assert(
      fc.asyncProperty(head, fc.uint8Array({ maxLength: 40 }), async (start, rest) => {
        const { request } = await serverOf((socket) => {
          socket.write(start);
          socket.end(rest);
        });
        const answer = await getBulk(request).catch(() => undefined);
        const found = answer === undefined ? undefined : await read(answer.body).catch(() => undefined);
        if (start.endsWith("\r\n\r\n"))
          expect(found).toEqual(rest.length < 9 ? undefined : Buffer.from(rest.subarray(0, 9)));
      }),
      { numRuns: 50 },
    );
  });
});
