import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { Pool } from "./pool.ts";
import type { Answer, SendRequest } from "./send.ts";

type Serve = (socket: Socket, asked: string, connection: number) => Promise<void> | void;

/** A server that is told each request of every connection when its head and, by its length, its body are there. */
async function serverOf(serve: Serve, { stall = 5000 } = {}) {
  const asked: string[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    const number = ++connections;
    let text = "";
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      for (;;) {
        const [, head = "", length] =
          /^([\s\S]*?content-length: (\d+)[\s\S]*?\r\n\r\n|[\s\S]*?\r\n\r\n)/.exec(text) ?? [];
        const end = head.length + Number(length ?? 0);
        if (head === "" || text.length < end) return;
        asked.push(text.slice(0, end));
        text = text.slice(end);
        void serve(socket, asked.at(-1) ?? "", number);
      }
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const pool = new Pool({ stall, connecting: 5000, tls: {} });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const send = (path: string, request: Partial<SendRequest> = {}): Promise<Answer> =>
    pool.request({
      url: new URL(path, origin),
      ...{ signal: new AbortController().signal, headers: {}, ...request },
    });
  return { send, asked, connections: () => connections };
}

async function read(answer: Answer): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of answer.body) pieces.push(piece);
  return Buffer.concat(pieces).toString("latin1");
}

async function* pieces(...parts: readonly string[]): AsyncGenerator<Uint8Array, void, undefined> {
  // As a file is read: always the same memory.
  const memory = Buffer.alloc(Math.max(...parts.map(({ length }) => length), 1));
  for (const part of parts) yield memory.subarray(0, memory.write(part, "latin1"));
}

describe("an answer", () => {
  const heads = [
    ["with a length", (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`],
    [
      "in chunks",
      (body: string) =>
        `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${[...body.matchAll(/[\s\S]{1,700}/g)]
          .map(([chunk]) => `${chunk.length.toString(16)};x=y\r\n${chunk}\r\n`)
          .join("")}0\r\nlast: 1\r\n\r\n`,
    ],
    [
      "after one that says that it comes",
      (body: string) =>
        `HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    ],
  ] as const;

  it.each(heads)("%s is read however it is cut, and its connection used again", async (_name, made) => {
    const bodies: string[] = [];
    const { send, connections } = await serverOf(async (socket) => {
      const text = made(bodies.at(-1) ?? "");
      for (let at = 0, size = 1; at < text.length; at += size, size = ((size * 7919) % 977) + 1) {
        socket.write(text.slice(at, at + size), "latin1");
        if (size % 5 === 0) await sleep(0);
      }
    });
    await fc.assert(
      fc.asyncProperty(fc.nat(30_000), async (size) => {
        bodies.push(randomBytes(size).toString("latin1"));
        expect((await read(await send("/"))) === bodies.at(-1)).toBe(true);
      }),
      { numRuns: 15 },
    );
    expect(connections()).toBe(1);
  });

  it("without a length ends with its connection", async () => {
    const { send, connections } = await serverOf(
      (socket) => void socket.end("HTTP/1.1 200 OK\r\n\r\nall of it"),
    );
    expect([await read(await send("/")), await read(await send("/"))]).toEqual(["all of it", "all of it"]);
    expect(connections()).toBe(2);
  });

  it("has no body where none may be", async () => {
    const { send, connections } = await serverOf((socket, asked) => {
      socket.write(
        asked.startsWith("HEAD") ? "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n" : "HTTP/1.1 204 No\r\n\r\n",
      );
    });
    const head = await send("/", { method: "HEAD" });
    expect([head.headers["content-length"], await read(head)]).toEqual(["5", ""]);
    expect(await read(await send("/", { method: "DELETE" }))).toBe("");
    expect(connections()).toBe(1);
  });

  it.each([
    ["breaks off in its body", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc"],
    ["breaks off in a chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc"],
    ["breaks off between chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"],
    ["breaks off in its head", "HTTP/1.1 200 OK\r\ncontent-le"],
    ["is none", ""],
    ["is not HTTP", "SSH-2.0-x\r\n\r\n"],
    ["has two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd"],
    [
      "has a length and chunks",
      "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["has a chunk without a size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\nabc"],
    [
      "has a chunk that is longer than it says",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    ],
    ["changes the protocol", "HTTP/1.1 101 Switching\r\n\r\n"],
    ["has a head without an end", `HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(20_000)}`],
  ])("that %s is a failure of the transfer", async (_name, text) => {
    const { send } = await serverOf((socket) => void socket.end(text));
    await expect(send("/").then(read)).rejects.toMatchObject({
      code: expect.stringMatching(/^UND_ERR_|^ECONN/),
    });
  });

  it("never has other bytes than came, whatever comes", async () => {
    let text = "";
    const { send } = await serverOf((socket) => void socket.end(text, "latin1"));
    const part = fc.constantFrom(
      "HTTP/1.1 200 OK\r\n",
      "content-length: 3\r\n",
      "transfer-encoding: chunked\r\n",
      "\r\n",
      "3\r\nabc\r\n",
      "0\r\n",
      "abc",
      "x",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 8 }), async (parts) => {
        text = parts.join("");
        const came: Uint8Array[] = [];
        // What breaks off fails, after what has come of it.
        const all = async ({ body }: Answer): Promise<void> => {
          for await (const piece of body) came.push(piece);
        };
        await send("/")
          .then(all)
          .catch(() => undefined);
        const body = Buffer.concat(came).toString("latin1");
        // Of chunks that follow each other, the bytes do.
        if (!text.replaceAll("3\r\nabc\r\n", "abc").includes(body)) expect(text).toContain(body);
      }),
      { numRuns: 400 },
    );
  });

  it("that nobody wants leaves the connection to the next one, where it is short", async () => {
    let size = 1000;
    const { send, connections } = await serverOf((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n${"x".repeat(size)}`);
    });
    for (size of [1000, 1000, 1_000_000, 1000]) await (await send("/")).body.dump();
    expect(connections()).toBe(2);
  });

  it("is waited for as long as bytes move, and no longer", async () => {
    const { send } = await serverOf(
      (socket) => void socket.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"),
      {
        stall: 300,
      },
    );
    await expect(send("/").then(read)).rejects.toMatchObject({ code: "UND_ERR_BODY_TIMEOUT" });
    const silent = await serverOf(() => undefined, { stall: 300 });
    await expect(silent.send("/")).rejects.toMatchObject({ code: "UND_ERR_HEADERS_TIMEOUT" });
  });

  it("ends with its signal", async () => {
    const { send } = await serverOf(
      (socket) => void socket.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"),
    );
    const stopped = new AbortController();
    const answer = await send("/", { signal: stopped.signal });
    const reason = new Error("enough");
    setImmediate(() => stopped.abort(reason));
    await expect(read(answer)).rejects.toBe(reason);
    await expect(send("/", { signal: stopped.signal })).rejects.toBe(reason);
  });
});

describe("a body that is sent", () => {
  it("says its length, or comes in chunks", async () => {
    const { send, asked } = await serverOf(
      (socket) => void socket.write("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"),
    );
    const headers = { "content-length": "5" };
    await send("/a", { method: "PUT", body: Buffer.from("hello") });
    await send("/b", { method: "PATCH", headers, body: pieces("he", "", "llo") });
    await send("/c", { method: "POST" });
    expect(asked.map((text) => text.replace(/(?:host|connection): .*\r\n/gi, ""))).toEqual([
      "PUT /a HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello",
      "PATCH /b HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello",
      "POST /c HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    ]);
  });

  it("comes in chunks where its length is not known", async () => {
    let text = "";
    const { send } = await serverOf((socket, part) => {
      text += part;
      if (text.endsWith("0\r\n\r\n")) socket.write("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
    });
    expect((await send("/d", { method: "PATCH", body: pieces("he", "", "llo") })).statusCode).toBe(202);
    expect(text).toMatch(
      /^PATCH \/d [\s\S]*transfer-encoding: chunked\r\n[\s\S]*\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n$/i,
    );
  });

  it("arrives whole out of memory that is used again, while the server takes its time", async () => {
    const bytes = randomBytes(3_000_000).toString("latin1");
    const { send, asked } = await serverOf(
      (socket) => void socket.write("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"),
    );
    const parts = [...bytes.matchAll(/[\s\S]{1,200000}/g)].map(([part]) => part);
    await send("/", { method: "PUT", headers: { "content-length": "3000000" }, body: pieces(...parts) });
    expect(asked[0]?.endsWith(bytes)).toBe(true);
  });

  it("stops when there is an answer, which is heard", async () => {
    const ended = Promise.withResolvers<void>();
    async function* endless(): AsyncGenerator<Uint8Array, void, undefined> {
      try {
        for (;;) yield Buffer.alloc(1000);
      } finally {
        ended.resolve();
      }
    }
    const { send, connections } = await serverOf((socket) => {
      socket.write("HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\nno");
    });
    const answer = await send("/", { method: "PUT", body: endless() });
    expect([answer.statusCode, await read(answer)]).toEqual([413, "no"]);
    await ended.promise;
    await (await send("/")).body.dump();
    expect(connections()).toBe(2);
  });

  it.each([
    ["is shorter", pieces("abc")],
    ["is longer", pieces("abc", "def", "ghi")],
  ])("that %s than it said fails, and never looks whole", async (_name, body) => {
    const { send, asked } = await serverOf(() => undefined);
    const sent = send("/", { method: "PUT", headers: { "content-length": "6" }, body });
    await expect(sent).rejects.toMatchObject({ code: "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH" });
    expect(asked.filter((text) => text.endsWith("abcdefghi"))).toEqual([]);
  });

  it("fails with its source's own words", async () => {
    const failed = new Error("the source is damaged");
    async function* damaged(): AsyncGenerator<Uint8Array, void, undefined> {
      yield Buffer.from("abc");
      throw failed;
    }
    const { send } = await serverOf(() => undefined);
    const sent = send("/", { method: "PUT", headers: { "content-length": "9" }, body: damaged() });
    await expect(sent).rejects.toBe(failed);
  });

  it("is not given up while it is being made", async () => {
    async function* slow(): AsyncGenerator<Uint8Array, void, undefined> {
      yield Buffer.from("abc");
      await sleep(900);
      yield Buffer.from("def");
    }
    const { send } = await serverOf(
      (socket) => void socket.write("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"),
      {
        stall: 200,
      },
    );
    const sent = await send("/", { method: "PUT", headers: { "content-length": "6" }, body: slow() });
    expect(sent.statusCode).toBe(201);
  });
});

it("is asked again over a new connection when the server did not keep the old one, if it can be", async () => {
  const { send, asked } = await serverOf((socket, _text, connection) => {
    if (asked.length === 2 && connection === 1) socket.destroy();
    else socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  });
  expect([await read(await send("/a")), await read(await send("/b"))]).toEqual(["ok", "ok"]);
  expect(asked.map((text) => text.split(" ")[1])).toEqual(["/a", "/b", "/b"]);
});

it("sends no header that says more than its value", async () => {
  const { send, asked } = await serverOf(() => undefined);
  await expect(send("/", { headers: { authorization: "x\r\ny: z" } })).rejects.toMatchObject({
    code: "UND_ERR_INVALID_ARG",
  });
  expect(asked).toEqual([]);
});
