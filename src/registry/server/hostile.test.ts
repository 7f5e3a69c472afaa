import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hashSync } from "bcryptjs";
import { describe, expect, it } from "vitest";
import { mediaTypes } from "../../image/index.ts";
import { type Served, served } from "./served.contract.ts";

const digestOf = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const begin = async ({ origin }: Served, repository = "a", headers = {}): Promise<string> => {
  const begun = await fetch(`${origin}/v2/${repository}/blobs/uploads/`, { method: "POST", headers });
  expect(begun.status).toBe(202);
  return begun.headers.get("location") ?? "";
};
const quickHeads = { headers: 200 };
const quickBodies = { pace: { milliseconds: 1500, bytes: 1000 } };
const reasons = ({ log }: Served): unknown[] => log.map(({ reason }) => reason);

describe("who is slow", () => {
  it.each([
    ["says nothing", ""],
    ["never ends its head", "GET /v2/ HTTP/1.1\r\nhost: a\r\nx-"],
  ])("and %s is cut off", async (_what, text) => {
    const server = await served({ patience: quickHeads });
    const { socket, closed } = server.connect();
    socket.write(text);
    const drip = setInterval(() => text !== "" && socket.write("a"), 20);
    await closed;
    clearInterval(drip);
    expect((await fetch(`${server.origin}/v2/`)).status).toBe(200);
  });

  it("and sends a byte now and then is cut off, and may go on with the upload where it was", async () => {
    const server = await served({ patience: quickBodies });
    const at = await begin(server);
    const { socket, closed } = server.connect();
    socket.write(`PATCH ${at} HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n`);
    const drip = setInterval(() => socket.write("x"), 30);
    await closed;
    clearInterval(drip);
    await expect.poll(() => reasons(server)).toContain("the client is too slow");
    const stands = await fetch(server.origin + at);
    expect(stands.status).toBe(204);
    expect(stands.headers.get("range")).toMatch(/^0-\d+$/);
    expect((await fetch(server.origin + at, { method: "PATCH", body: "more" })).status).toBe(202);
  });

  it("and does not take what it asked for is cut off", async () => {
    const server = await served({ patience: quickBodies });
    const bytes = Buffer.alloc(64 * 1024 * 1024, "x");
    const path = `/v2/a/blobs/uploads/?digest=${digestOf(bytes)}`;
    expect((await fetch(server.origin + path, { method: "POST", body: bytes })).status).toBe(201);
    const { socket, closed } = server.connect();
    socket.pause();
    socket.write(`GET /v2/a/blobs/${digestOf(bytes)} HTTP/1.1\r\nhost: a\r\n\r\n`);
    await expect.poll(() => reasons(server), { timeout: 10_000 }).toContain("the client is too slow");
    socket.resume();
    await closed;
  });
});

describe("who sends requests in disguise", () => {
  it.each([
    ["two lengths", "content-length: 4\r\ncontent-length: 6\r\n\r\nabcdef"],
    ["two lengths in one", "content-length: 4, 6\r\n\r\nabcdef"],
    ["a length and chunks", "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["chunks that are no last coding", "transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"],
    ["an unknown coding", "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"],
    ["a length with a sign", "content-length: +4\r\n\r\nabcd"],
    ["a length that is none", "content-length: 0x4\r\n\r\nabcd"],
    ["a space before the colon", "content-length : 4\r\n\r\nabcd"],
    ["a chunk whose size is none", "transfer-encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n"],
    ["a zero byte", "x-y: a\0b\r\n\r\n"],
  ])("with %s gets one refusal, and no second answer", async (_what, rest) => {
    const server = await served();
    const { socket, text, closed } = server.connect();
    socket.write(
      `POST /v2/a/blobs/uploads/ HTTP/1.1\r\nhost: a\r\n${rest}GET /v2/_catalog HTTP/1.1\r\nhost: a\r\n\r\n`,
    );
    await closed;
    expect(
      text()
        .match(/HTTP\/1\.1 \d+/g)
        ?.at(-1),
    ).toBe("HTTP/1.1 400");
    expect(text()).not.toContain("repositories");
    await expect.poll(() => server.log.some(({ status }) => status === 400)).toBe(true);
  });

  it("with a head that does not end is refused", async () => {
    const server = await served();
    const { socket, text, closed } = server.connect();
    socket.write(`GET /v2/ HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(100_000)}`);
    await closed;
    expect(text()).toMatch(/^HTTP\/1\.1 431 /);
  });

  it("with something that is not HTTP is refused, and told of", async () => {
    const server = await served();
    const { socket, text, closed } = server.connect();
    socket.write("\x16\x03\x01\x02\x00\x01\x00");
    await closed;
    expect(text()).toMatch(/^HTTP\/1\.1 400 /);
    expect(server.log).toHaveLength(1);
  });
});

describe("who sends too much", () => {
  it("is refused before a byte is taken where it says so, and cut off where it does not", async () => {
    const server = await served({ maxBlob: 100_000 });
    const at = await begin(server);
    const told = await fetch(server.origin + at, { method: "PATCH", body: Buffer.alloc(100_001) });
    expect(told.status).toBe(413);
    const { socket, closed } = server.connect();
    socket.write(`PATCH ${at} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n`);
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
    const pump = (): void => {
      while (socket.writable && socket.write(chunk));
    };
    socket.on("drain", pump);
    pump();
    await closed;
    expect(server.log.map(({ status }) => status)).toEqual([202, 413, 413]);
    // Nothing of it is kept.
    expect((await fetch(server.origin + at)).status).toBe(404);
  });

  it("of connections is told of, and those that were there go on", async () => {
    const server = await served({ maxConnections: 20 });
    const connections = Array.from({ length: 60 }, () => server.connect());
    await Promise.all(connections.slice(20).map(({ closed }) => closed));
    const [first] = connections;
    first?.socket.write("GET /v2/ HTTP/1.1\r\nhost: a\r\n\r\n");
    await expect.poll(() => first?.text()).toMatch(/^HTTP\/1\.1 200 /);
    expect(reasons(server)).toContain("too many connections: 1 were closed so far");
  });
});

describe("who pushes manifests", () => {
  const put = (
    server: Served,
    body: string | Buffer,
    type: string = mediaTypes.manifest,
  ): Promise<Response> =>
    fetch(`${server.origin}/v2/a/manifests/1`, {
      ...{ method: "PUT", headers: { "content-type": type }, body: new Uint8Array(Buffer.from(body)) },
    });
  const blob = async (server: Served, bytes: Buffer): Promise<object> => {
    const path = `/v2/a/blobs/uploads/?digest=${digestOf(bytes)}`;
    const body = new Uint8Array(bytes);
    expect((await fetch(server.origin + path, { method: "POST", body })).status).toBe(201);
    return { mediaType: "a/b", digest: digestOf(bytes), size: bytes.length };
  };

  it("whose indexes multiply is answered soon, and refused when they nest too deeply", async () => {
    const server = await served();
    const config = await blob(server, randomBytes(10));
    let type: string = mediaTypes.manifest;
    let body = JSON.stringify({ schemaVersion: 2, mediaType: type, config, layers: [config] });
    const statuses = [];
    for (let level = 0; level < 9; level++) {
      statuses.push((await put(server, body, type)).status);
      const inside = { mediaType: type, digest: digestOf(Buffer.from(body)), size: body.length };
      const manifests = Array.from({ length: 2000 }, (_, at) => ({
        ...inside,
        annotations: { at: String(at) },
      }));
      type = mediaTypes.index;
      body = JSON.stringify({ schemaVersion: 2, mediaType: type, manifests });
    }
    expect(statuses).toEqual([201, 201, 201, 201, 201, 201, 201, 201, 400]);
  });

  it("of very many layers is taken or refused, as they are there or not", async () => {
    const server = await served();
    const config = await blob(server, Buffer.from("{}"));
    const manifest = (layer: object): string =>
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.manifest,
        config,
        layers: Array(28_000).fill(layer),
      });
    expect((await put(server, manifest(config))).status).toBe(201);
    const missing = { mediaType: "a/b", digest: digestOf(randomBytes(9)), size: 1 };
    expect((await put(server, manifest(missing))).status).toBe(404);
  });

  it("with more tags than a person gives is refused", async () => {
    const server = await served();
    const config = await blob(server, Buffer.from("{}"));
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config,
      layers: [config],
    });
    const tags = Array.from({ length: 65 }, (_, at) => `tag=${at}`).join("&");
    const path = `${server.origin}/v2/a/manifests/${digestOf(Buffer.from(body))}?${tags}`;
    const headers = { "content-type": mediaTypes.manifest };
    expect((await fetch(path, { method: "PUT", headers, body })).status).toBe(400);
    expect((await fetch(path.replace(/\?.*/, "?tag=../x"), { method: "PUT", headers, body })).status).toBe(
      400,
    );
  });
});

describe("who is somebody else", () => {
  it("can do nothing with an upload, and does not learn that it is there", async () => {
    const users = join(mkdtempSync(join(tmpdir(), "whittle-test-")), "users");
    writeFileSync(users, ["ada", "bob"].map((name) => `${name}:${hashSync(name, 4)}\n`).join(""));
    const server = await served({ htpasswd: users });
    const as = (name: string): object => ({
      authorization: `Basic ${Buffer.from(`${name}:${name}`).toString("base64")}`,
    });
    const at = await begin(server, "a", as("ada"));
    const ask = async (method: string, path: string, name: string): Promise<unknown> => {
      const answer = await fetch(server.origin + path, {
        ...{ method, headers: { ...as(name) } },
        ...(method === "PATCH" || method === "PUT" ? { body: "x" } : {}),
      });
      return [answer.status, (await answer.text()).replaceAll(/[0-9a-f]{32}/g, "")];
    };
    const digest = digestOf(Buffer.from("x"));
    const nowhere = `/v2/a/blobs/uploads/${"0".repeat(32)}`;
    for (const method of ["GET", "PATCH", "DELETE", "PUT"]) {
      const query = method === "PUT" ? `?digest=${digest}` : "";
      const foreign = await ask(method, at + query, "bob");
      expect(foreign).toEqual(await ask(method, nowhere + query, "bob"));
      expect(foreign).toEqual(await ask(method, at.replace("/a/", "/b/") + query, "ada"));
    }
    expect(await ask("PUT", `${at}?digest=${digest}`, "ada")).toEqual([201, ""]);
  });

  it("is asked for a name wherever uploads go on, though who has none may pull", async () => {
    const users = join(mkdtempSync(join(tmpdir(), "whittle-test-")), "users");
    writeFileSync(users, `ada:${hashSync("ada", 4)}\n`);
    const server = await served({ htpasswd: users, anonymousPull: true });
    const authorization = `Basic ${Buffer.from("ada:ada").toString("base64")}`;
    const at = await begin(server, "a", { authorization });
    // A client that shows its name only when it is asked has to be asked, or it takes its upload for lost.
    for (const method of ["GET", "HEAD"]) {
      const asked = await fetch(server.origin + at, { method });
      expect([asked.status, asked.headers.get("www-authenticate")]).toEqual([
        401,
        `Bearer realm="${server.origin}/v2/token",service="whittle",scope="repository:a:pull,push"`,
      ]);
      // By this old clients know that they are at a registry.
      expect(asked.headers.get("docker-distribution-api-version")).toBe("registry/2.0");
    }
    const shown = await fetch(server.origin + at, { headers: { authorization } });
    expect([shown.status, shown.headers.get("range")]).toEqual([204, "0-0"]);
    const status = async (path: string): Promise<number> => (await fetch(server.origin + path)).status;
    expect([await status("/v2/_catalog"), await status("/v2/"), await status("/v2/token")]).toEqual([
      ...[200, 401, 200],
    ]);
  });
});

describe("whatever is asked", () => {
  it.each([
    "bytes=",
    "bytes=-",
    "bytes=1-0",
    "bytes=99999999999999999999-",
    "bytes=-99999999999999999999",
    "bytes=a-b",
    "bytes=0-0,1-1",
    "x".repeat(5000),
    "bytes=0x1-2",
    "bytes=1e3-",
  ])("a range of %.30s is no failure of the server", async (range) => {
    const server = await served();
    const body = Buffer.from("0123456789");
    await fetch(`${server.origin}/v2/a/blobs/uploads/?digest=${digestOf(body)}`, { method: "POST", body });
    const answer = await fetch(`${server.origin}/v2/a/blobs/${digestOf(body)}`, { headers: { range } });
    expect([200, 206, 416]).toContain(answer.status);
    if (answer.status === 416) expect(answer.headers.get("content-range")).toBe("bytes */10");
    await answer.text();
  });

  it.each(["a-b", "5-4", "0-", "-5", "0-99999999999999999999", "bytes 0-4", "0-3", "0-5"])(
    "a chunk at %s is refused or taken, and then the upload goes on",
    async (header) => {
      const server = await served();
      const at = await begin(server);
      const headers = { "content-range": header };
      const answer = await fetch(server.origin + at, { method: "PATCH", headers, body: "01234" });
      expect(answer.status).toBe(header === "bytes 0-4" ? 202 : 400);
      expect((await fetch(server.origin + at)).status).toBe(204);
    },
  );

  it("of many requests in one write, each is answered, in order", async () => {
    const server = await served();
    const { socket, text } = server.connect();
    const paths = ["/v2/", "/health", "/v2/_catalog", "/nothing", "/v2/a/tags/list"];
    socket.write(
      paths
        .map((path) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`)
        .join("")
        .repeat(20),
    );
    const statuses = (): string[] =>
      text()
        .match(/HTTP\/1\.1 \d+/g)
        ?.map((line) => line.slice(9)) ?? [];
    await expect.poll(() => statuses().length).toBe(100);
    expect(statuses().slice(0, 5)).toEqual(["200", "200", "200", "404", "404"]);
    expect(statuses().slice(95)).toEqual(statuses().slice(0, 5));
  });

  it("a stop lets a download end, closes what is idle, and takes nothing new", async () => {
    const server = await served({ grace: 20_000 });
    const bytes = randomBytes(16 * 1024 * 1024);
    await fetch(`${server.origin}/v2/a/blobs/uploads/?digest=${digestOf(bytes)}`, {
      method: "POST",
      body: bytes,
    });
    const idle = server.connect();
    idle.socket.write("GET /v2/ HTTP/1.1\r\nhost: a\r\n\r\n");
    await expect.poll(idle.text).toContain("HTTP/1.1 200");
    const download = await fetch(`${server.origin}/v2/a/blobs/${digestOf(bytes)}`);
    const stopped = server.registry.stop();
    await idle.closed;
    await sleep(50);
    expect(digestOf(Buffer.from(await download.arrayBuffer()))).toBe(digestOf(bytes));
    await stopped;
    await expect(fetch(`${server.origin}/v2/`)).rejects.toThrow();
  });
});
