import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { noProgress, quietWork, readText, sha256 } from "../../io/index.ts";
import { openStore, type Store } from "../../store/index.ts";
import type { Tree } from "../../tree/index.ts";
import { Solver } from "../solver.ts";
import { type HttpLocal, httpExecutors, httpStep } from "./http.ts";

let directory: string;
let store: Store;
const servers: Server[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "whittle-http-"));
  store = await openStore(join(directory, "store"), { create: true });
});
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(directory, { recursive: true, force: true });
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  servers.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const place = { file: "Dockerfile", line: 2, column: 5 };

interface Fetched {
  readonly text: string;
  readonly mtime: number;
  readonly mode: number;
  readonly digest: string;
}

/** Fetches as a build of its own would. */
async function fetched(
  url: string,
  given: {
    readonly checksum?: string;
    readonly local?: Partial<HttpLocal>;
    readonly signal?: AbortSignal;
  } = {},
): Promise<Fetched> {
  const solver = new Solver({
    executors: httpExecutors(store, join(directory, "cache")),
    cache: { get: async () => undefined, set: async () => undefined },
    progress: noProgress,
    signal: given.signal ?? quietWork.signal,
  });
  const checksum = given.checksum === undefined ? {} : { checksum: given.checksum };
  const step = httpStep(
    { url, name: "file", mtime: 7, ...checksum },
    { environment: {}, at: place, ...given.local },
  );
  const solved = await solver.solve(step);
  const { tree } = await solved.value<{ tree: Tree }>();
  const entry = tree.get("/file");
  if (entry?.type !== "file") throw new Error("no file");
  return { text: await readText(entry.content), mtime: entry.mtime, mode: entry.mode, digest: solved.digest };
}

describe("a file over HTTP", () => {
  it("is its owner's alone and has the server's time", async () => {
    const address = await serve((_request, response) => {
      response.setHeader("last-modified", "Tue, 14 Nov 2023 22:13:20 GMT").end("hello");
    });
    expect(await fetched(`${address}/a`)).toMatchObject({ text: "hello", mode: 0o600, mtime: 1_700_000_000 });
  });

  it("has the build's time where the server tells none or nonsense", async () => {
    const address = await serve((request, response) => {
      if (request.url === "/odd") response.setHeader("last-modified", "yesterday");
      response.end("hello");
    });
    expect((await fetched(`${address}/a`)).mtime).toBe(7);
    expect((await fetched(`${address}/odd`)).mtime).toBe(7);
  });

  it.each([
    ["an entity tag", { etag: '"one"' }, "if-none-match", '"one"'],
    [
      "a time",
      { "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT" },
      "if-modified-since",
      "Tue, 14 Nov 2023 22:13:20 GMT",
    ],
  ])("is not sent again while %s says that it is the same", async (_name, headers, condition, value) => {
    const asked: (string | undefined)[] = [];
    const address = await serve((request, response) => {
      const given = request.headers[condition] as string | undefined;
      asked.push(given);
      if (given === value) response.writeHead(304).end();
      else response.writeHead(200, headers).end("hello");
    });
    const first = await fetched(`${address}/a`);
    expect(await fetched(`${address}/a`)).toEqual(first);
    expect(asked).toEqual([undefined, value]);
  });

  it("is recognized by its tag where the server sends it all the same", async () => {
    let bodies = 0;
    const address = await serve((_request, response) => {
      response.writeHead(200, { etag: 'W/"one"', "content-length": 1 << 20 });
      bodies += 1;
      if (bodies === 1) response.end(Buffer.alloc(1 << 20, "x"));
      else response.write("x");
    });
    const first = await fetched(`${address}/a`);
    // The second body never ends; nobody waits for it.
    expect(await fetched(`${address}/a`)).toEqual(first);
    expect(bodies).toBe(2);
  });

  it("is fetched again when it has changed, or when the store has lost it", async () => {
    let text = "one";
    const conditions: (string | undefined)[] = [];
    const address = await serve((request, response) => {
      conditions.push(request.headers["if-none-match"]);
      if (request.headers["if-none-match"] === `"${text}"`) response.writeHead(304).end();
      else response.setHeader("etag", `"${text}"`).end(text);
    });
    const first = await fetched(`${address}/a`);
    text = "two";
    const second = await fetched(`${address}/a`);
    expect(second.text).toBe("two");
    expect(second.digest).not.toBe(first.digest);
    rmSync(join(directory, "store"), { recursive: true });
    store = await openStore(join(directory, "store"), { create: true });
    expect((await fetched(`${address}/a`)).text).toBe("two");
    expect(conditions).toEqual([undefined, '"one"', undefined]);
  });

  it("must be what the checksum says", async () => {
    const address = await serve((_request, response) => void response.end("hello"));
    expect((await fetched(`${address}/a`, { checksum: sha256("hello") })).text).toBe("hello");
    await expect(fetched(`${address}/a`, { checksum: sha256("other") })).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
      at: place,
      hint: expect.stringContaining("--checksum"),
    });
  });

  it("is unpacked where its transfer was, and only there", async () => {
    const address = await serve((request, response) => {
      if (request.url === "/a") response.setHeader("content-encoding", "gzip");
      response.end(gzipSync("hello"));
    });
    expect((await fetched(`${address}/a`)).text).toBe("hello");
    expect((await fetched(`${address}/b`)).text).not.toBe("hello");
  });

  it("is followed through redirects, credentials to their own server only", async () => {
    const seen: string[] = [];
    const other = await serve((request, response) => {
      seen.push(`other ${request.headers.authorization}`);
      response.end("moved");
    });
    const address = await serve((request, response) => {
      seen.push(`${request.url} ${request.headers.authorization}`);
      const location = request.url === "/a" ? "/b" : other;
      response.writeHead(302, { location }).end("this way");
    });
    const basic = `Basic ${Buffer.from("me:pass word").toString("base64")}`;
    expect((await fetched(`${address.replace("//", "//me:pass%20word@")}/a`)).text).toBe("moved");
    expect(seen).toEqual([`/a ${basic}`, `/b ${basic}`, "other undefined"]);
  });

  it("is asked for with a token that was given for its host", async () => {
    const seen: (string | undefined)[] = [];
    const address = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end("hello");
    });
    const given = (id: string) => async (asked: string) =>
      asked === id ? Buffer.from("s3cret\n") : undefined;
    await fetched(`${address}/a`, { local: { secret: given("HTTP_AUTH_TOKEN_127.0.0.1") } });
    await fetched(`${address}/a`, { local: { secret: given("HTTP_AUTH_HEADER_127.0.0.1") } });
    await fetched(`${address}/a`, { local: { secret: given("HTTP_AUTH_TOKEN_elsewhere") } });
    expect(seen).toEqual(["Bearer s3cret", "s3cret", undefined]);
  });

  it("comes through the proxy that the environment names", async () => {
    const asked: string[] = [];
    const proxy = await serve((request, response) => {
      asked.push(request.url ?? "");
      response.end("by proxy");
    });
    // Node's undici asks for a tunnel or for the whole address; both are answered here.
    servers.at(-1)?.on("connect", async (request, socket) => {
      asked.push(request.url ?? "");
      socket.end("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nby proxy");
    });
    const local = { environment: { http_proxy: proxy } };
    expect((await fetched("http://files.example/a", { local })).text).toBe("by proxy");
    expect(asked.join(" ")).toContain("files.example");
  });
});

describe("a server that", () => {
  const failing = async (
    listener: RequestListener,
    local: Partial<HttpLocal> = {},
  ): Promise<{ code: string; message: string; at: unknown }> => {
    const address = await serve(listener);
    const error = await fetched(`${address}/a?token=hidden`, { local }).catch((reason: unknown) => reason);
    return error as { code: string; message: string; at: unknown };
  };

  it.each<[string, RequestListener, Partial<HttpLocal>, RegExp]>([
    ["has no such file", (_q, r) => void r.writeHead(404).end(), {}, /the server answers 404, 200 is wanted/],
    ["answers nothing new, unasked", (_q, r) => void r.writeHead(304).end(), {}, /answers 304/],
    ["says nothing", () => undefined, { patience: 300 }, /does not answer/],
    ["stalls", (_q, r) => void r.writeHead(200).write("x"), { patience: 300 }, /has stalled/],
    ["hangs up", (q) => void q.socket.destroy(), {}, /broke the connection/],
    [
      "breaks off",
      (_q, r) => {
        r.writeHead(200, { "content-length": 100 }).write("x");
        setTimeout(() => r.socket?.destroy(), 50);
      },
      {},
      /broke the connection|aborted|terminated/,
    ],
    [
      "sends without end",
      (_q, r) => void r.end("x".repeat(5000)),
      { mostBytes: 4096 },
      /more than 4096 bytes/,
    ],
    [
      "sends a bomb",
      (_q, r) => void r.setHeader("content-encoding", "gzip").end(gzipSync(Buffer.alloc(1 << 22))),
      { mostBytes: 4096 },
      /more than 4096 bytes/,
    ],
    [
      "sends no gzip though it says so",
      (_q, r) => void r.setHeader("content-encoding", "gzip").end("hello"),
      {},
      /incorrect header check/,
    ],
    [
      "redirects for ever",
      (_q, r) => void r.writeHead(302, { location: "/a" }).end(),
      {},
      /more than 5 times/,
    ],
    [
      "redirects to a file",
      (_q, r) => void r.writeHead(302, { location: "file:///etc/passwd" }).end(),
      {},
      /not safe/,
    ],
    [
      "redirects to nonsense",
      (_q, r) => void r.writeHead(302, { location: "http://[" }).end(),
      {},
      /not safe/,
    ],
  ])("%s gives an error at the instruction, and nothing is kept", async (_name, listener, local, message) => {
    const error = await failing(listener, local);
    expect(error).toMatchObject({ code: "NETWORK", at: place });
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain("hidden");
    expect(readdirSync(directory)).not.toContain("cache");
    const blobs = readdirSync(join(directory, "store"), { recursive: true, encoding: "utf8" });
    expect(blobs.filter((name) => /[0-9a-f]{64}/.test(name))).toEqual([]);
  });

  it("is not there is named", async () => {
    const address = await serve(() => undefined);
    const closed = servers.pop();
    closed?.close();
    await expect(fetched(`${address}/a`)).rejects.toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining("refuses the connection"),
    });
  });

  it("is given up on a signal", async () => {
    const controller = new AbortController();
    const address = await serve(() => controller.abort());
    const error = await fetched(`${address}/a`, { signal: controller.signal }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ name: "AbortError" });
  });
});

it("writes no address down", async () => {
  const address = await serve((_request, response) => void response.setHeader("etag", '"a"').end("hello"));
  await fetched(`${address.replace("//", "//me:password@")}/a?token=hidden`);
  for (const name of readdirSync(join(directory, "cache/http"))) {
    expect(readFileSync(join(directory, "cache/http", name), "utf8")).not.toMatch(/password|hidden|127/);
  }
});
