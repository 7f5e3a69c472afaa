import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createPlain, type RequestListener } from "node:http";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openSender } from "../src/http/index.ts";
import { type Finished, temporary, whittle } from "./program.ts";
import { dockerRegistry } from "./registry-servers.ts";

// A registry of one repository, over TLS as others set it up.

let place = "";
const servers: Server[] = [];
const path = (name: string): string => join(place, name);
const pem = (name: string): string => readFileSync(path(name), "utf8");
const answer: RequestListener = (_request, response) => {
  response.setHeader("content-type", "application/json");
  response.end('{"name":"a","tags":["seen"]}');
};

/** A certificate for 127.0.0.1 that an authority of its own has signed. */
function certificate(name: string, authority: string): void {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const request = [
    ...key,
    "-keyout",
    path(`${name}.key`),
    "-out",
    path(`${name}.csr`),
    "-subj",
    `/CN=${name}`,
  ];
  execFileSync("openssl", ["req", ...request], { stdio: "ignore" });
  writeFileSync(path(`${name}.ext`), "subjectAltName=IP:127.0.0.1\n");
  const signed = ["-CA", path(`${authority}.pem`), "-CAkey", path(`${authority}.key`), "-CAcreateserial"];
  const files = ["-in", path(`${name}.csr`), "-out", path(`${name}.pem`), "-extfile", path(`${name}.ext`)];
  execFileSync("openssl", ["x509", "-req", "-days", "2", ...files, ...signed], { stdio: "ignore" });
}

async function listening(server: Server, host = "127.0.0.1"): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return `${host}:${(server.address() as AddressInfo).port}`;
}

const secure = (options: ServerOptions = {}): Promise<string> =>
  listening(createServer({ cert: pem("server.pem"), key: pem("server.key"), ...options }, answer));

function tags(host: string, settings: string): Promise<Finished> {
  writeFileSync(path("registries.yaml"), settings);
  const env = { ...process.env, HOME: place, WHITTLE_REGISTRIES: path("registries.yaml") };
  return whittle(path("store"), ["tags", `${host}/a`], { env });
}

beforeAll(() => {
  place = temporary();
  for (const name of ["authority", "clients"]) {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    const files = ["-keyout", path(`${name}.key`), "-out", path(`${name}.pem`), "-subj", `/CN=${name}`];
    execFileSync("openssl", ["req", "-x509", ...key, ...files], { stdio: "ignore" });
  }
  certificate("server", "authority");
  certificate("client", "clients");
});

afterAll(() => {
  for (const server of servers) server.close();
  rmSync(place, { recursive: true, force: true });
});

it("does not trust an authority that nobody named, and says which", async () => {
  const host = await secure();
  const { status, stderr } = await tags(host, "");
  expect([status, stderr]).toEqual([3, expect.stringMatching(/the server's certificate is not trusted \(/)]);
});

it("trusts an authority of the settings, or any certificate where it is told to", async () => {
  const host = await secure();
  for (const how of [`ca: ${path("authority.pem")}`, "insecure: true"]) {
    const { stdout, stderr } = await tags(host, `registries: { "${host}": { ${how} } }`);
    expect([stdout, stderr]).toEqual(["seen\n", ""]);
  }
  const wrong = await tags(host, `registries: { "${host}": { ca: ${path("clients.pem")} } }`);
  expect([wrong.status, wrong.stderr]).toEqual([
    3,
    expect.stringMatching(/the server's certificate is not trusted \(/),
  ]);
});

it("shows a client's certificate to the registry that it is for", async () => {
  const host = await secure({ ca: pem("clients.pem"), requestCert: true, rejectUnauthorized: true });
  const trust = `ca: ${path("authority.pem")}`;
  const shown = `cert: ${path("client.pem")}, key: ${path("client.key")}`;
  const known = await tags(host, `registries: { "${host}": { ${trust}, ${shown} } }`);
  expect([known.stdout, known.stderr]).toEqual(["seen\n", ""]);
  const unknown = await tags(host, `registries: { "${host}": { ${trust} } }`);
  expect(unknown.status).toBe(3);
  expect(unknown.stderr).toMatch(
    /^whittle: Cannot list the tags of .*: the server (?:wants to see a certificate|broke)/m,
  );
});

it("asks in TLS only, where a server of TLS wants to see a certificate", async () => {
  // A server written in Go answers plain HTTP too, with status 400.
  const pair = `certificate: ${path("server.pem")}, key: ${path("server.key")}`;
  const http = `, tls: {${pair}, clientcas: [${path("clients.pem")}]}`;
  const registry = await dockerRegistry(path("registry"), "", http);
  const settings = `registries: { "${registry.host}": { ca: ${path("authority.pem")} } }`;
  const { status, stderr } = await tags(registry.host, settings);
  await registry.stop();
  expect([status, stderr]).toEqual([3, expect.stringMatching(/wants to see a certificate of this client/)]);
});

it("speaks no plain HTTP to another machine unless it is told to, and hints at that", async () => {
  const own = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
  // Without a network there is only this machine, which is spoken to.
  const host = await listening(createPlain(answer), own ?? "127.0.0.1");
  const told = await tags(host, `registries: { "${host}": { insecure: true } }`);
  expect([told.stdout, told.stderr]).toEqual(["seen\n", ""]);
  if (own === undefined) return;
  const refused = await tags(host, "");
  expect([refused.status, refused.stderr]).toEqual([
    3,
    expect.stringMatching(/: the server speaks no TLS there\n.*marked insecure/),
  ]);
});

it("reads long answers over a connection of their own, which trusts no others", async () => {
  const bytes = randomBytes(20_000_003);
  const options = { cert: pem("server.pem"), key: pem("server.key") };
  const connections: (boolean | undefined)[] = [];
  const host = await listening(
    createServer(options, (request, response) => {
      connections.push(request.headers.connection === "close");
      response.setHeader("content-length", bytes.length);
      response.end(bytes);
    }),
  );
  const { signal } = new AbortController();
  const trusting = await openSender({}, 5000, { ca: [pem("authority.pem")] });
  const pieces: Buffer[] = [];
  const { body } = await trusting(`https://${host}/x`, { signal, bulk: true });
  for await (const piece of body) pieces.push(Buffer.from(piece));
  expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
  const doubting = await openSender({}, 5000);
  await expect(doubting(`https://${host}/x`, { signal, bulk: true })).rejects.toMatchObject({
    code: expect.stringMatching(/CERT|LEAF_SIGNATURE/),
  });
  expect(connections).toEqual([true]);
});
