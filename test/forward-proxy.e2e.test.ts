import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createSecure } from "node:https";
import { type AddressInfo, connect, type Server } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type Finished, temporary, whittle } from "./program.ts";

// A registry that only a proxy finds: its name is in no table of hosts.

let place = "";
let registryPort = 0;
const servers: Server[] = [];
const asked: string[] = [];
const answer: RequestListener = (request, response) => {
  asked.push(`${request.headers.host} ${request.headers["proxy-authorization"] ?? "-"}`);
  response.setHeader("content-type", "application/json");
  response.end('{"name":"a","tags":["seen"]}');
};

async function listening(server: Server): Promise<number> {
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return (server.address() as AddressInfo).port;
}

/** A proxy that shows what it was asked for, and answers a CONNECT in its own way or makes the connection. */
async function proxy(instead?: (socket: Duplex) => void): Promise<{ port: number; seen: string[] }> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"] ?? "-"}`);
    answer(request, response);
  });
  server.on("connect", (request, socket: Duplex) => {
    seen.push(`CONNECT ${request.url} ${request.headers["proxy-authorization"] ?? "-"}`);
    if (instead !== undefined) return instead(socket);
    const there = connect(registryPort, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      there.pipe(socket).pipe(there);
    });
    for (const end of [there, socket]) end.on("error", () => undefined);
  });
  return { port: await listening(server), seen };
}

function tags(environment: NodeJS.ProcessEnv, host = "registry.test:5000"): Promise<Finished> {
  const env = { ...process.env, HOME: place, WHITTLE_REGISTRIES: join(place, "settings"), ...environment };
  return whittle(join(place, "store"), ["tags", `${host}/a`], { env });
}

beforeAll(async () => {
  place = temporary();
  const [certificate, key] = [join(place, "ca.crt"), join(place, "key.pem")];
  const subject = ["-subj", "/CN=registry.test", "-addext", "subjectAltName=DNS:registry.test"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const words = ["req", "-x509", ...kind, ...subject, "-keyout", key, "-out", certificate];
  execFileSync("openssl", words, { stdio: "ignore" });
  writeFileSync(
    join(place, "settings"),
    `registries: { "registry.test:5000": { ca: ${certificate} }, "plain.test:5000": { insecure: true } }\n`,
  );
  registryPort = await listening(
    createSecure({ cert: readFileSync(certificate), key: readFileSync(key) }, answer),
  );
});

afterEach(() => void asked.splice(0));
afterAll(() => {
  for (const server of servers) server.close();
  rmSync(place, { recursive: true, force: true });
});

it("reaches a registry with TLS through a tunnel, and proves its certificate", async () => {
  const { port, seen } = await proxy();
  const { stdout, stderr } = await tags({ https_proxy: `http://127.0.0.1:${port}` });
  expect([stdout, stderr]).toEqual(["seen\n", ""]);
  expect(seen).toEqual(["CONNECT registry.test:5000 -"]);
  const doubted = await tags({ https_proxy: `http://127.0.0.1:${port}`, WHITTLE_REGISTRIES: "" });
  expect([doubted.status, doubted.stderr]).toEqual([3, expect.stringMatching(/certificate is not trusted/)]);
});

it("shows a name and a password to the proxy, and not to the registry", async () => {
  const { port, seen } = await proxy();
  const { stdout } = await tags({ HTTPS_PROXY: `http://ada:p%40ss%3A@127.0.0.1:${port}` });
  expect(stdout).toBe("seen\n");
  const shown = `Basic ${Buffer.from("ada:p@ss:").toString("base64")}`;
  expect(seen).toEqual([`CONNECT registry.test:5000 ${shown}`]);
  expect(asked).toEqual(["registry.test:5000 -"]);
});

it.each([
  [
    "wants a password",
    "407 Proxy Authentication Required",
    /the proxy \S+ wants to see a name and a password/,
  ],
  ["forbids it", "403 Forbidden", /the proxy \S+ makes no connection to the server \(it answers 403\)/],
  ["is none", undefined, /the proxy \S+ does not speak HTTP/],
])("says once that the proxy %s, without the password", async (_what, status, found) => {
  const words = status === undefined ? "SSH-2.0-x\r\n" : `HTTP/1.1 ${status}\r\n\r\n`;
  const { port, seen } = await proxy((socket) => void socket.end(words));
  const failed = await tags({ https_proxy: `http://ada:secret@127.0.0.1:${port}` });
  expect([failed.status, failed.stderr]).toEqual([3, expect.stringMatching(found)]);
  expect(failed.stderr).toMatch(/hint: check http_proxy/);
  expect(failed.stderr).not.toContain("secret");
  expect(seen).toHaveLength(1);
});

it("says that it is the proxy which cannot be reached", async () => {
  const { stderr, status } = await tags({ https_proxy: "http://ada:secret@127.0.0.1:1" });
  expect([status, stderr]).toEqual([3, expect.stringMatching(/the proxy 127\.0\.0\.1:1 refuses the conn/)]);
  expect(stderr).not.toContain("secret");
});

it("sends plain HTTP to the proxy whole, and goes to this machine without it", async () => {
  const { port, seen } = await proxy((socket) => void socket.end("HTTP/1.1 200 OK\r\n\r\nno TLS there\r\n"));
  const there = await tags({ all_proxy: `http://127.0.0.1:${port}` }, "plain.test:5000");
  expect([there.stdout, there.stderr]).toEqual(["seen\n", ""]);
  expect(seen.at(-1)).toBe("GET http://plain.test:5000/v2/a/tags/list?n=1000 -");
  const own = await listening(createServer(answer));
  const here = await tags({ all_proxy: "http://127.0.0.1:1" }, `localhost:${own}`);
  expect([here.stdout, here.stderr]).toEqual(["seen\n", ""]);
});
