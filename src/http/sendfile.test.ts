import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { TakeBytes } from "../io/index.ts";
import { FileBody } from "./file-body.ts";
import { Pool } from "./pool.ts";
import type { Answer, SendRequest } from "./send.ts";
import { Sendfile } from "./sendfile.ts";

const mebibyte = 1024 * 1024;
// Long enough for the kernel's way to be opened.
const size = 40 * mebibyte;
const bytes = randomBytes(size);

function sha(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function fileOf(data: Uint8Array): string {
  const place = mkdtempSync(join(tmpdir(), "whittle-test-"));
  onTestFinished(() => rmSync(place, { recursive: true, force: true }));
  const path = join(place, "file");
  writeFileSync(path, data);
  return path;
}

/** Files and connections that this process has open. */
function openNumbers(): number {
  return readdirSync("/proc/self/fd").length;
}

async function closedAgain(before: number): Promise<void> {
  await expect.poll(openNumbers, { timeout: 5000 }).toBeLessThanOrEqual(before);
}

// Who connects to it has the first address of this machine: as far as can be told, it is another one.
const elsewhere = "127.0.0.2";

async function listening(serve: (socket: Socket) => void, host = elsewhere): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    serve(socket);
  }).listen(0, host);
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A connection whose other end is in the test's hands. */
async function connected(host = elsewhere): Promise<{ near: Socket; far: Socket }> {
  const far = Promise.withResolvers<Socket>();
  const near = connect(await listening(far.resolve, host), host).on("error", () => undefined);
  await once(near, "connect");
  onTestFinished(() => void near.destroy());
  return { near, far: await far.promise };
}

async function opened(socket: Socket): Promise<Sendfile> {
  const way = await Sendfile.open(socket, size);
  if (way === undefined) throw new Error("there is no way");
  return way;
}

describe("the kernel's way", () => {
  it("is not opened for a few bytes, as long as nobody has opened it, nor with TLS", async () => {
    const { near } = await connected();
    expect(await Sendfile.open(near, mebibyte)).toBeUndefined();
    const way = await opened(near);
    way.close();
    expect(await Sendfile.open(Object.assign(near, { encrypted: true }), size)).toBeUndefined();
  });

  it("does not lead to this machine itself", async () => {
    const { near, far } = await connected("127.0.0.1");
    expect(await Sendfile.open(near, size)).toBeUndefined();
    expect(await Sendfile.open(far, size)).toBeUndefined();
  });

  it("takes bytes from any place, and none beyond the end or when there is no room", async () => {
    const { near, far } = await connected();
    far.pause();
    const way = await opened(near);
    const file = openSync(fileOf(bytes), "r");
    expect(await way.send(file, size, 10)).toBe(0);
    expect(await way.send(file, size - 3, 10)).toBe(3);
    expect(await way.send(file, 5, 7)).toBe(7);
    let sent = 0;
    for (let count = -1; count !== 0; sent += count) count = await way.send(file, sent, size - sent);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(size);
    way.close();
    closeSync(file);
    near.end();
    const came = await gathered(far);
    const want = Buffer.concat([bytes.subarray(size - 3), bytes.subarray(5, 12), bytes.subarray(0, sent)]);
    expect(sha(came)).toBe(sha(want));
  });

  it("never leads into another file that has the number of the closed connection", async () => {
    const { near } = await connected();
    const way = await opened(near);
    near.destroy();
    await once(near, "close");
    const path = fileOf(Buffer.alloc(0));
    const others = Array.from({ length: 20 }, () => openSync(path, "r+"));
    const file = openSync(fileOf(bytes), "r");
    await way.send(file, 0, mebibyte);
    way.close();
    for (const number of [file, ...others]) closeSync(number);
    expect(readFileSync(path).length).toBe(0);
  });

  it("sends nothing to who has gone", async () => {
    const { near, far } = await connected();
    const way = await opened(near);
    const gone = new Promise((resolve) => near.once("close", resolve));
    far.resetAndDestroy();
    await gone;
    const file = openSync(fileOf(bytes), "r");
    expect(await way.send(file, 0, mebibyte)).toBe(0);
    way.close();
    closeSync(file);
  });
});

/** A body that knows how much of it was read. */
class Watched extends FileBody {
  read = 0;

  override async *pieces(take?: TakeBytes): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of super.pieces(take)) {
      this.read += piece.length;
      yield piece;
    }
  }
}

/** A server that has each connection's bytes in its hands, and a client of it. */
async function serverOf(serve: (socket: Socket) => void, stall = 5000) {
  const port = await listening(serve);
  const pool = new Pool({ stall, connecting: 5000, tls: {} });
  return (request: Partial<SendRequest>): Promise<Answer> =>
    pool.request({
      url: new URL(`http://${elsewhere}:${port}/`),
      ...{ signal: new AbortController().signal, method: "PUT", headers: {}, ...request },
    });
}

function withLength(length: number): Record<string, string> {
  return { "content-length": String(length) };
}

const taken = "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n";

/** Takes requests whose bodies have so many bytes, and keeps what came after the head. */
function taking(length: number, came: string[], isSlow = false): (socket: Socket) => void {
  return (socket) => {
    const whole = Buffer.alloc(length + 4096);
    let filled = 0;
    let chunks = 0;
    socket.on("data", (chunk: Buffer) => {
      filled += chunk.copy(whole, filled);
      if (isSlow && ++chunks % 50 === 0) {
        socket.pause();
        setTimeout(() => void socket.resume(), 5);
      }
      const start = whole.subarray(0, filled).indexOf("\r\n\r\n") + 4;
      if (start < 4 || filled < start + length) return;
      came.push(sha(whole.subarray(start, filled)));
      filled = 0;
      socket.write(taken);
    });
  };
}

async function gathered(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("a file that is sent", () => {
  it("arrives whole, hardly any of it read, and leaves the connection to the next one", async () => {
    const before = openNumbers();
    const path = fileOf(bytes);
    const came: string[] = [];
    let connections = 0;
    const send = await serverOf((socket) => {
      connections += 1;
      taking(size - 1000, came)(socket);
    });
    for (const start of [0, 1000, 7]) {
      const told: number[] = [];
      const range = { start, end: start + size - 1000 };
      const body = new Watched(path, range, (count) => told.push(count));
      const answer = await send({ headers: withLength(size - 1000), body });
      expect(answer.statusCode).toBe(201);
      await answer.body.dump();
      expect(came.pop()).toBe(sha(bytes.subarray(start, start + size - 1000)));
      expect(told.at(-1)).toBe(size - 1000);
      expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
      expect(body.read).toBeLessThan(size / 2);
    }
    expect(connections).toBe(1);
    // The server, and both ends of a connection.
    await closedAgain(before + 3);
  });

  it("arrives whole at a server that takes its time, beside others", async () => {
    const path = fileOf(bytes);
    const came: string[] = [];
    const send = await serverOf(taking(size, came, true));
    const sent = Array.from({ length: 5 }, () =>
      send({
        headers: withLength(size),
        body: new FileBody(path, { start: 0, end: size }, () => undefined),
      }),
    );
    expect((await Promise.all(sent)).map(({ statusCode }) => statusCode)).toEqual(Array(5).fill(201));
    expect(new Set(came)).toEqual(new Set([sha(bytes)]));
    expect(came.length).toBe(5);
  });

  it("comes in chunks where its length is not said", async () => {
    const path = fileOf(bytes.subarray(0, 1_000_000));
    const chunks: Buffer[] = [];
    const send = await serverOf((socket) => {
      socket.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        if (chunk.subarray(-5).equals(Buffer.from("0\r\n\r\n"))) socket.write(taken);
      });
    });
    const body = new FileBody(path, { start: 10, end: 1_000_000 }, () => undefined);
    expect((await send({ body })).statusCode).toBe(201);
    let rest = Buffer.concat(chunks);
    rest = rest.subarray(rest.indexOf("\r\n\r\n") + 4);
    const parts: Buffer[] = [];
    for (let length = -1; length !== 0; ) {
      const end = rest.indexOf("\r\n");
      length = Number.parseInt(rest.toString("latin1", 0, end), 16);
      parts.push(rest.subarray(end + 2, end + 2 + length));
      rest = rest.subarray(end + 2 + length + 2);
    }
    expect(sha(Buffer.concat(parts))).toBe(sha(bytes.subarray(10, 1_000_000)));
  });

  it("that is shorter than was said fails, and never looks whole", async () => {
    const before = openNumbers();
    let came = 0;
    const send = await serverOf((socket) => {
      socket.on("data", (chunk: Buffer) => {
        came += chunk.length;
      });
    });
    const path = fileOf(bytes);
    const body = new FileBody(path, { start: 0, end: size + 5 }, () => undefined);
    await expect(send({ headers: withLength(size + 5), body })).rejects.toMatchObject({
      code: "ARCHIVE_CORRUPT",
      message: expect.stringContaining(`it ends at byte ${size}`),
    });
    expect(came).toBeLessThan(size + 1000);
    await closedAgain(before + 2);
  });

  it.each([1, 2000, 20 * mebibyte])("that is %i bytes longer than was said fails", async (more) => {
    let came = 0;
    const send = await serverOf((socket) => {
      socket.on("data", (chunk: Buffer) => {
        came += chunk.length;
      });
    });
    const body = new FileBody(fileOf(bytes), { start: 0, end: size }, () => undefined);
    await expect(send({ headers: withLength(size - more), body })).rejects.toMatchObject({
      code: "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH",
    });
    // The head is not longer than this.
    expect(came).toBeLessThan(size - more + 200);
  });

  it("stops when there is an answer, which is heard", async () => {
    const before = openNumbers();
    const send = await serverOf((socket) => {
      let came = 0;
      socket.on("data", (chunk: Buffer) => {
        came += chunk.length;
        if (came < 10 * mebibyte) return;
        socket.pause();
        socket.write("HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\nno");
      });
    });
    const told: number[] = [];
    const body = new FileBody(fileOf(bytes), { start: 0, end: size }, (count) => told.push(count));
    const answer = await send({ headers: withLength(size), body });
    expect([answer.statusCode, (await gathered(answer.body)).toString()]).toEqual([413, "no"]);
    expect(told.at(-1)).toBeLessThan(size);
    // The server, and its end of the connection, which it does not read.
    await closedAgain(before + 2);
  });

  it("ends with its signal", async () => {
    const before = openNumbers();
    const stopped = new AbortController();
    const reason = new Error("enough");
    const send = await serverOf((socket) => void socket.resume());
    const body = new FileBody(fileOf(bytes), { start: 0, end: size }, (count) => {
      if (count > 8 * mebibyte) stopped.abort(reason);
    });
    const sent = send({ headers: withLength(size), body, signal: stopped.signal });
    await expect(sent).rejects.toBe(reason);
    await closedAgain(before + 1);
  });

  it("fails when the server goes away", async () => {
    const before = openNumbers();
    const send = await serverOf((socket) => {
      let came = 0;
      socket.on("data", (chunk: Buffer) => {
        came += chunk.length;
        if (came > 10 * mebibyte) socket.resetAndDestroy();
      });
    });
    const body = new FileBody(fileOf(bytes), { start: 0, end: size }, () => undefined);
    const sent = send({ headers: withLength(size), body });
    await expect(sent).rejects.toMatchObject({ code: expect.stringMatching(/^(?:ECONNRESET|EPIPE)$/) });
    await closedAgain(before + 1);
  });

  it("fails when the server takes nothing any more", async () => {
    const before = openNumbers();
    const send = await serverOf((socket) => {
      socket.once("data", () => void socket.pause());
    }, 300);
    const body = new FileBody(fileOf(bytes), { start: 0, end: size }, () => undefined);
    const sent = send({ headers: withLength(size), body });
    await expect(sent).rejects.toMatchObject({ code: "UND_ERR_HEADERS_TIMEOUT" });
    await closedAgain(before + 2);
  });
});
