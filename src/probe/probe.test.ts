import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noProgress, quietWork } from "../io/index.ts";
import { formatProbe, parseProbe } from "./probe.ts";
import { type ProbeTarget, probe, probeAll } from "./run.ts";

describe("parseProbe", () => {
  it.each([
    ["http:/users.json", { kind: "http", method: "GET", path: "/users.json" }],
    ["http:/a:b?c=d", { kind: "http", method: "GET", path: "/a:b?c=d" }],
    ["http:post:/users:201", { kind: "http", method: "POST", path: "/users", status: 201 }],
    ["http:HEAD:/x", { kind: "http", method: "HEAD", path: "/x" }],
    ["tcp:5432", { kind: "tcp", port: 5432 }],
    ["exec:/bin/busybox true", { kind: "exec", command: ["/bin/busybox", "true"] }],
    [`exec:sh -c 'a "b"' "c d"e ''`, { kind: "exec", command: ["sh", "-c", 'a "b"', "c de", ""] }],
  ])("reads %s", (text, wanted) => expect(parseProbe(text)).toEqual(wanted));

  it("reads a recipe's form", () => {
    expect(parseProbe({ http: "/users.json", status: 200, json: true })).toEqual({
      kind: "http",
      method: "GET",
      path: "/users.json",
      status: 200,
      json: true,
    });
    expect(parseProbe({ exec: ["a", "b c"] })).toEqual({ kind: "exec", command: ["a", "b c"] });
    expect(parseProbe({ tcp: 80 })).toEqual({ kind: "tcp", port: 80 });
  });

  it.each([
    ["users"],
    ["http:users"],
    ["http:"],
    ["http:GET:/x:999"],
    ["http:/a b"],
    ["tcp:"],
    ["tcp:0"],
    ["tcp:http"],
    ["exec:"],
    ["ftp:/x"],
    [{}],
    [{ http: "/", tcp: 1 }],
    [{ http: "/", status: 42 }],
  ])("refuses %j", (from) => expect(() => parseProbe(from)).toThrow(/^Cannot read the probe/));

  it("reads what formatProbe writes", () => {
    const word = fc.string({ minLength: 1 }).filter((text) => !/["']/.test(text));
    const any = fc.oneof(
      fc.record({ kind: fc.constant("tcp" as const), port: fc.integer({ min: 1, max: 65535 }) }),
      fc.record({ kind: fc.constant("exec" as const), command: fc.array(word, { minLength: 1 }) }),
      fc.record({
        kind: fc.constant("http" as const),
        method: fc.constantFrom("GET", "POST"),
        path: fc.webPath().map((path) => `/${path.replace(/^\/+/, "")}x`),
        status: fc.integer({ min: 100, max: 599 }),
      }),
    );
    fc.assert(
      fc.property(any, (spec) => {
        expect(parseProbe(formatProbe(spec))).toEqual(spec);
      }),
    );
  });
});

describe("probe", () => {
  let ready = 0;
  const server = createServer((request, response) => {
    if (request.url === "/late" && ready++ < 3) response.writeHead(503).end("not yet");
    else if (request.url === "/missing")
      response.writeHead(404, { "Content-Type": "application/problem+json" }).end("{}");
    else response.writeHead(200, { "Content-Type": "application/json" }).end('{"name":"whittle"}\n');
  });
  let target: ProbeTarget;

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    target = {
      address: (wanted) => (wanted === 9 ? undefined : { host: "127.0.0.1", port }),
      exec: async (command) => ({ status: Number(command[0]), output: "first\nlast\n" }),
    };
  });

  afterAll(() => server.close());

  it("accepts what is as wanted", async () => {
    const specs = [
      parseProbe({
        http: "/",
        json: true,
        contains: "whittle",
        header: { "content-type": "application/json" },
      }),
      parseProbe("http:GET:/missing:404"),
      parseProbe("tcp:80"),
      parseProbe("exec:0"),
    ];
    expect(await probeAll(specs, target, quietWork)).toMatchObject([
      { ok: true, detail: "200, 19 bytes, application/json" },
      { ok: true },
      { ok: true, detail: "connected" },
      { ok: true },
    ]);
  });

  it.each([
    [{ http: "/missing" }, "status 404, wanted one below 400: {}"],
    [{ http: "/", status: 201 }, 'status 200, wanted 201: {"name":"whittle"}'],
    [{ http: "/", contains: "x" }, 'the body does not hold "x": {"name":"whittle"}'],
    [{ http: "/", header: { etag: "x" } }, 'no header etag, wanted "x"'],
    [
      { http: "/", header: { "Content-Type": "text" } },
      'header Content-Type is "application/json", wanted "text"',
    ],
    [{ tcp: 9 }, "port 9 of the container is not published"],
    [{ exec: "3" }, "status 3: last"],
  ])("says what is wrong with %j", async (from, detail) => {
    const result = await probe(parseProbe(from), target, quietWork, { deadline: 0 });
    expect(result).toMatchObject({ ok: false, detail, attempts: 1 });
  });

  it("tries again until it is ready", async () => {
    expect(await probe(parseProbe("http:/late"), target, quietWork)).toMatchObject({ ok: true, attempts: 4 });
  });

  it("ends when it is interrupted", async () => {
    const controller = new AbortController();
    const work = { progress: noProgress, signal: controller.signal };
    const running = probe(parseProbe("http:/missing"), target, work);
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await expect(running).rejects.toThrow();
  });
});
