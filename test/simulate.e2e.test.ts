import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesContent } from "../src/io/index.ts";
import { attributes, type Entry, type Tree, treeOf } from "../src/tree/index.ts";
import { type Answered, ask, type NginxServer, serveFolder } from "./nginx-server.ts";

const run = promisify(execFile);
const users = JSON.stringify(Array.from({ length: 100 }, (_, id) => ({ id, name: `user ${id}` })));

const file = (text: string): Entry => ({ type: "file", ...attributes(0o644), content: bytesContent(text) });
const folder = (files: Record<string, string>): Tree =>
  treeOf(Object.entries(files).map(([name, text]) => [`/${name}`, file(text)] as const));

const api = {
  "users.json": users,
  "users.POST.201.json": '{"id":101}',
  "users/index.json": '{"index":true}',
  "users/1.json": '{"id":1}',
  "users/1.PUT.200.json": '{"id":1,"put":true}',
  "users/1.PATCH.202.json": '{"accepted":true}',
  "users/1.DELETE.204.json": "",
  "users/9.GET.404.json": '{"gone":true}',
  "teams/index.json": "[]",
  "orders.POST.409.json": '{"conflict":true}',
  "about.html": "<!doctype html><title>é</title>",
  "pixel.png": "\x89PNG",
  'it\'s "a" $trange {na;me} #1 100% \\.json': '{"name":"strange"}',
  "dolla$.POST.202.json": '{"cents":true}',
  "straße.json": '{"ß":1}',
  ".well-known/security.txt": "Contact: mailto:x@example.org",
  ".hidden.json": "{}",
};

describe("a simulated folder, served by nginx", () => {
  let server: NginxServer;
  beforeAll(async () => {
    server = await serveFolder(folder(api));
  });
  afterAll(() => server?.stop());
  const http = (method: string, path: string, headers?: Record<string, string>, body?: string) =>
    ask(server.port, method, path, headers, body);
  const json = (answer: Answered): unknown => JSON.parse(answer.body.toString("utf8"));

  it.each([
    ["/users", users],
    ["/users.json", users],
    ["/users?page=2", users],
    ["/users/", api["users/index.json"]],
    ["/users/index.json", api["users/index.json"]],
    ["/users/1", api["users/1.json"]],
    ["/users/1.json", api["users/1.json"]],
    [`/${encodeURIComponent('it\'s "a" $trange {na;me} #1 100% \\')}`, '{"name":"strange"}'],
    ["/stra%C3%9Fe.json", '{"ß":1}'],
  ])("answers GET %s with the file as JSON", async (path, body) => {
    const answer = await http("GET", path);
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.headers["access-control-allow-origin"]).toBe("*");
    expect(answer.headers["cache-control"]).toBe("no-cache");
    expect(answer.body.toString()).toBe(body);
  });

  it.each([
    ["/about.html", "text/html; charset=utf-8"],
    ["/pixel.png", "image/png"],
    ["/.well-known/security.txt", "text/plain; charset=utf-8"],
  ])("serves %s, which is not JSON, as %s", async (path, type) => {
    const answer = await http("GET", path);
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, type]);
  });

  it("sends on to the directory's own path where only that answers", async () => {
    const answer = await http("GET", "/teams?x=1");
    expect([answer.status, answer.headers.location]).toEqual([308, "/teams/?x=1"]);
  });

  it.each([
    ["POST", "/users", 201, api["users.POST.201.json"]],
    ["POST", "/users.json", 201, api["users.POST.201.json"]],
    ["PUT", "/users/1", 200, api["users/1.PUT.200.json"]],
    ["PATCH", "/users/1", 202, api["users/1.PATCH.202.json"]],
    ["DELETE", "/users/1", 204, ""],
    ["GET", "/users/9", 404, api["users/9.GET.404.json"]],
    ["POST", "/orders", 409, api["orders.POST.409.json"]],
    ["POST", "/dolla$", 202, api["dolla$.POST.202.json"]],
  ])("answers %s %s with %i, as the file's name says", async (method, path, status, body) => {
    const answer = await http(
      method,
      path,
      { "content-type": "application/json" },
      method === "GET" ? "" : "{}",
    );
    expect(answer.status).toBe(status);
    expect(answer.body.toString()).toBe(body);
    if (status !== 204) expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.headers.etag).toBeUndefined();
  });

  it("takes bodies larger than any buffer, and writes none of them anywhere", async () => {
    const answer = await http("POST", "/users", { expect: "100-continue" }, "x".repeat(8 * 1024 * 1024));
    expect(answer.status).toBe(201);
  });

  it.each(["/users", "/users/", "/users/1", "/about.html", "/healthz"])(
    "answers HEAD %s without a body",
    async (path) => {
      const [head, get] = [await http("HEAD", path), await http("GET", path)];
      expect(head.status).toBe(200);
      expect(head.body.length).toBe(0);
      expect(head.headers["content-length"]).toBe(get.headers["content-length"]);
      expect(head.headers.etag).toBe(get.headers.etag);
    },
  );

  it("answers HEAD of a GET that is not 200 with its status", async () => {
    const head = await http("HEAD", "/users/9");
    expect([head.status, head.body.length]).toEqual([404, 0]);
  });

  it.each([
    ["/users", "GET, HEAD, OPTIONS, POST"],
    ["/users/1", "GET, HEAD, OPTIONS, PUT, PATCH, DELETE"],
    ["/orders", "OPTIONS, POST"],
    ["/teams/", "GET, HEAD, OPTIONS"],
    ["/healthz", "GET, HEAD, OPTIONS"],
  ])("answers OPTIONS %s with what it allows", async (path, allow) => {
    const answer = await http("OPTIONS", path);
    expect([answer.status, answer.headers.allow, answer.body.length]).toEqual([204, allow, 0]);
  });

  it("answers a preflight request of another origin", async () => {
    const { status, headers } = await http("OPTIONS", "/users", {
      origin: "https://example.org",
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type, x-trace",
    });
    expect(status).toBe(204);
    expect(headers["access-control-allow-origin"]).toBe("*");
    expect(headers["access-control-allow-methods"]).toBe("GET, HEAD, OPTIONS, POST");
    expect(headers["access-control-allow-headers"]).toBe("content-type, x-trace");
    expect(headers["access-control-max-age"]).toBe("86400");
  });

  it.each([
    ["GET", "/nowhere"],
    ["POST", "/nowhere"],
    ["OPTIONS", "/nowhere"],
    ["GET", "/"],
    ["GET", "/users/1/"],
    ["GET", "/Users"],
    ["GET", "/users.POST.201.json"],
    ["GET", "/users.json.gz"],
    ["GET", "/.hidden.json"],
    ["GET", "/.answer/users.json"],
    ["GET", "/.problem/404.json"],
    ["GET", "/..%2f..%2fetc/nginx/nginx.conf"],
  ])("answers %s %s, which is not there, with a problem", async (method, path) => {
    const answer = await http(method, path);
    // nginx itself refuses a path that leads above the root.
    const status = path.includes("..") ? 400 : 404;
    expect([answer.status, answer.headers["content-type"]]).toEqual([status, "application/problem+json"]);
    expect(json(answer)).toMatchObject({ type: "about:blank", status });
    expect(answer.headers.allow).toBeUndefined();
  });

  it.each([
    ["DELETE", "/users", "GET, HEAD, OPTIONS, POST"],
    ["GET", "/orders", "OPTIONS, POST"],
    ["POST", "/users/", "GET, HEAD, OPTIONS"],
    ["BREW", "/teams/", "GET, HEAD, OPTIONS"],
    ["POST", "/healthz", "GET, HEAD, OPTIONS"],
    ["TRACE", "/users", "GET, HEAD, OPTIONS"],
  ])("refuses %s %s and says what is allowed", async (method, path, allow) => {
    const answer = await http(method, path);
    expect([answer.status, answer.headers["content-type"]]).toEqual([405, "application/problem+json"]);
    expect(answer.headers.allow).toBe(allow);
    expect(json(answer)).toMatchObject({ title: "Method Not Allowed", status: 405 });
    expect(answer.headers["access-control-allow-origin"]).toBe("*");
  });

  it("is healthy", async () => {
    const answer = await http("GET", "/healthz");
    expect([answer.status, json(answer)]).toEqual([200, { status: "ok" }]);
  });

  it("does not send again what the client has", async () => {
    const { headers } = await http("GET", "/users");
    const { etag = "", "last-modified": modified = "" } = headers;
    expect(etag).toMatch(/^"/);
    expect(new Date(modified).getTime()).toBeLessThan(Date.UTC(2005, 0));
    for (const condition of [{ "if-none-match": etag }, { "if-modified-since": modified }]) {
      const answer = await http("GET", "/users", condition as Record<string, string>);
      expect([answer.status, answer.body.length, answer.headers.etag]).toEqual([304, 0, etag]);
    }
    expect((await http("GET", "/users", { "if-none-match": '"other"' })).status).toBe(200);
    const failed = await http("GET", "/users", { "if-match": '"other"' });
    expect([failed.status, failed.headers["content-type"]]).toEqual([412, "application/problem+json"]);
  });

  it("sends a compressed form that was made before, with a validator of its own", async () => {
    const plain = await http("GET", "/users");
    const packed = await http("GET", "/users", { "accept-encoding": "gzip" });
    expect(packed.headers["content-encoding"]).toBe("gzip");
    expect(packed.headers.vary).toBe("Accept-Encoding");
    expect(packed.headers["content-type"]).toBe("application/json");
    expect(packed.body.length).toBeLessThan(plain.body.length);
    expect(gunzipSync(packed.body).equals(plain.body)).toBe(true);
    expect(packed.headers.etag).not.toBe(plain.headers.etag);
    const small = await http("GET", "/users/1", { "accept-encoding": "gzip" });
    expect(small.headers["content-encoding"]).toBeUndefined();
  });

  it("sends ranges, and a problem for one that cannot be", async () => {
    const part = await http("GET", "/users", { range: "bytes=1-4" });
    expect([part.status, part.body.toString()]).toEqual([206, users.slice(1, 5)]);
    const beyond = await http("GET", "/users", { range: "bytes=99999999-" });
    expect([beyond.status, beyond.headers["content-type"]]).toEqual([416, "application/problem+json"]);
  });

  it("answers a broken request with a problem", async () => {
    const socket = connect(server.port, "127.0.0.1");
    socket.end("GET /users HTTP/1.1\r\nno colon here\r\nContent-Length: x\r\n\r\n");
    let text = "";
    for await (const chunk of socket) text += (chunk as Buffer).toString();
    expect(text).toMatch(/^HTTP\/1.1 400 /);
    expect(text).toContain("application/problem+json");
  });

  it("logs requests to standard output, and nothing for the health check or for what is not there", async () => {
    await http("GET", "/users?logged");
    await http("GET", "/healthz?not");
    await http("GET", "/lost");
    const { stdout, stderr } = await server.log();
    expect(stdout).toContain("GET /users?logged");
    expect(stdout).not.toContain("/healthz?not");
    expect(stderr).toBe("");
  });

  it("answers a crowd without an error", async () => {
    const { stdout } = await run("wrk", [
      "--threads=1",
      "--connections=64",
      "--duration=3s",
      `http://127.0.0.1:${server.port}/users`,
    ]);
    expect(stdout).toMatch(/\d+ requests in/);
    expect(stdout).not.toMatch(/Socket errors|Non-2xx/);
  });
});

describe("files with any name", () => {
  it("are answered, each with its own bytes", async () => {
    const part = fc
      .string({ unit: "binary", minLength: 1, maxLength: 12 })
      .filter((text) => !/[/?\p{Cc}\p{Cs}\ufffd]|^\./u.test(text) && Buffer.byteLength(text) < 200);
    const marks = [...` !"#$%&'()*+,-:;<=>@[\\]^_\`{|}~`].map((mark) => `a${mark}b`);
    const names = [
      ...new Set([
        ...marks,
        "\u0024{x}",
        "$uri",
        "a\u2028b",
        "%2e",
        ...fc.sample(part, { numRuns: 100, seed: 7 }),
      ]),
    ];
    const files = names.flatMap((name, index) => [
      [`d${index}/${name}.json`, JSON.stringify(name)] as const,
      [`d${index}/${name}.PUT.202.json`, JSON.stringify({ put: name })] as const,
    ]);
    const server = await serveFolder(folder(Object.fromEntries(files)));
    try {
      for (const [index, name] of names.entries()) {
        const path = `/d${index}/${encodeURIComponent(name)}`;
        const get = await ask(server.port, "GET", path);
        expect([name, get.status, get.body.toString()]).toEqual([name, 200, JSON.stringify(name)]);
        const put = await ask(server.port, "PUT", path);
        expect([name, put.status, put.body.toString()]).toEqual([name, 202, JSON.stringify({ put: name })]);
      }
    } finally {
      await server.stop();
    }
  });
});

describe("two versions of a folder", () => {
  it("have different validators for equally long bodies, and equal ones for equal bodies", async () => {
    const etags = [];
    for (const text of ['{"a":1}', '{"a":2}', '{"a":1}']) {
      const server = await serveFolder(folder({ "x.json": text }));
      etags.push((await ask(server.port, "GET", "/x")).headers.etag);
      await server.stop();
    }
    expect(etags[0]).not.toBe(etags[1]);
    expect(etags[0]).toBe(etags[2]);
  });
});

describe("stopping", () => {
  it.each(["SIGTERM", "SIGQUIT"] as const)("ends with status 0 on %s and says nothing", async (signal) => {
    const server = await serveFolder(folder({ "x.json": "{}" }));
    server.process.kill(signal);
    const [code, by] = (await once(server.process, "exit")) as [number | null, string | null];
    expect([code, by, (await server.log()).stderr]).toEqual([0, null, ""]);
    await server.stop();
  });

  it("lets an answer that is on its way come through on SIGQUIT", async () => {
    const size = 32 * 1024 * 1024;
    const server = await serveFolder(folder({ "big.bin": "x".repeat(size) }));
    const socket = connect(server.port, "127.0.0.1");
    socket.write("GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let received = 0;
    for await (const chunk of socket) {
      if (received === 0) server.process.kill("SIGQUIT");
      received += (chunk as Buffer).length;
    }
    expect(received).toBeGreaterThan(size);
    await server.stop();
  });
});
