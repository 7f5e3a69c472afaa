import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { parsePlatform, writeImage, writeLayer } from "../src/image/index.ts";
import { bytesContent, quietWork } from "../src/io/index.ts";
import { openClient, openRemote, pullImage, pushImage, remoteReference } from "../src/registry/index.ts";
import { openStore } from "../src/store/index.ts";
import { attributes, treeOf } from "../src/tree/index.ts";
import { ask } from "./nginx-server.ts";
import { temporary } from "./program.ts";
import { dockerRegistry, type RegistryProcess } from "./registry-servers.ts";

// Debian's docker-registry behind Debian's nginx, which lets requests of a few bytes through, as it does unasked.

const megabyte = 1024 * 1024;
let place = "";
let registry: RegistryProcess;
let nginx: ChildProcess | undefined;

beforeAll(async () => {
  place = temporary();
  registry = await dockerRegistry(join(place, "registry"));
});

afterEach(async () => {
  nginx?.kill("SIGKILL");
  if (nginx?.exitCode === null && nginx.signalCode === null) await once(nginx, "exit");
});

afterAll(async () => {
  await registry.stop();
  rmSync(place, { recursive: true, force: true });
});

/** Starts nginx before the registry. */
async function behind(most: string): Promise<{ readonly host: string; log(): readonly string[] }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  const base = join(place, `nginx-${most}`);
  mkdirSync(base);
  writeFileSync(
    join(base, "nginx.conf"),
    `daemon off; user root; pid ${base}/pid; error_log stderr; worker_processes 1;
events {}
http {
  log_format lines '$request_method $status $request_length';
  access_log ${base}/access.log lines;
  client_body_temp_path ${base}/body; proxy_temp_path ${base}/proxy;
  fastcgi_temp_path ${base}/f; uwsgi_temp_path ${base}/u; scgi_temp_path ${base}/s;
  server {
    listen 127.0.0.1:${port};
    client_max_body_size ${most};
    location / { proxy_pass http://127.0.0.1:${registry.port}; proxy_set_header Host $http_host; }
  }
}
`,
  );
  nginx = spawn("/usr/sbin/nginx", ["-e", "stderr", "-c", join(base, "nginx.conf")], { stdio: "ignore" });
  while ((await ask(port, "GET", "/v2/").catch(() => undefined)) === undefined) {
    if (nginx.exitCode !== null) throw new Error(`nginx ended with ${nginx.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const log = (): readonly string[] => readFileSync(join(base, "access.log"), "utf8").trim().split("\n");
  return { host: `127.0.0.1:${port}`, log };
}

async function pushed(host: string, name: string, sizes: readonly number[]): Promise<void> {
  const store = await openStore(join(place, `store-${name}`), { create: true });
  const layers = [];
  for (const [at, size] of sizes.entries()) {
    const file = { type: "file", ...attributes(0o644), content: bytesContent(randomBytes(size)) } as const;
    layers.push(await writeLayer(treeOf([[`/file-${at}`, file]]), store, { work: quietWork }));
  }
  const platform = parsePlatform("linux/amd64");
  const history = sizes.map(() => ({ created_by: "a file" }));
  const descriptor = await writeImage(store, { platform, config: {}, layers, history });
  const session = await openClient({ environment: {}, attempts: 2, delay: 5 }).session(host);
  await pushImage({ session, repository: name, tag: "1", source: store, descriptor, work: quietWork });
  // Read back past nginx, every digest proved.
  const reference = remoteReference(`127.0.0.1:${registry.port}/${name}:1`);
  const opened = await openRemote(reference, quietWork, openClient({ environment: {} }));
  expect(opened.descriptor.digest).toBe(descriptor.digest);
  const copy = await openStore(join(place, `copy-${name}`), { create: true });
  await pullImage(opened.source, opened.descriptor, copy, quietWork);
  await copy.tag("copy:1", opened.descriptor);
  for await (const problem of copy.verify(quietWork)) expect(problem).toBeUndefined();
}

it("what is too long for a proxy goes in pieces", async () => {
  const { host, log } = await behind("5m");
  await pushed(host, "pieces", [21 * megabyte, 3 * megabyte, 9 * megabyte]);
  const lines = log().map((line) => line.split(" "));
  const pieces = lines.filter(([method, status]) => method === "PATCH" && status === "202");
  expect(pieces.length).toBeGreaterThan(5);
  for (const [, , length] of pieces) expect(Number(length)).toBeLessThan(6 * megabyte);
  // What was refused was not sent to its end.
  for (const [, status, length] of lines)
    if (status === "413") expect(Number(length)).toBeLessThan(8 * megabyte);
});

it("a proxy that takes hardly anything is named with what it says", async () => {
  const { host } = await behind("100k");
  await expect(pushed(host, "nothing", [2 * megabyte])).rejects.toMatchObject({
    code: "REGISTRY_REFUSED",
    message: expect.stringContaining("answers 413"),
    hint: expect.stringContaining("a proxy in front of it"),
  });
});
