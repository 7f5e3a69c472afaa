import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { mediaTypes } from "../src/image/index.ts";
import { openStore } from "../src/store/index.ts";
import { digestOf } from "./distribution/data.ts";
import { ask } from "./nginx-server.ts";
import { temporary } from "./program.ts";
import { type RegistryProcess, whittleServe } from "./registry-servers.ts";

// What many hostile clients together can make of the server: it answers others meanwhile, and its memory has a bound.

let place = "";
let registry: RegistryProcess;
let sockets: Socket[] = [];

beforeEach(async () => {
  place = temporary();
  registry = await whittleServe(join(place, "store"), ["--max-blob", "10000000"]);
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  await registry.stop();
  rmSync(place, { recursive: true, force: true });
});

// Without bounds it would be gigabytes.
const most = 400e6;

/** The most memory that the server had so far, in bytes (proc(5), VmHWM). */
function peak(): number {
  const status = readFileSync(`/proc/${registry.pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

function open(text: string): Socket {
  const socket = connect(registry.port, "127.0.0.1");
  sockets.push(socket);
  // Being cut off is what becomes of them.
  socket.on("error", () => undefined);
  socket.write(text);
  return socket;
}

const answers = async (): Promise<void> => {
  expect((await ask(registry.port, "GET", "/v2/")).status).toBe(200);
};

it("two thousand connections that do nothing cost little", async () => {
  for (let at = 0; at < 2000; at++) open(at % 2 === 0 ? "" : "GET /v2/ HTTP/1.1\r\nhost: a\r\n");
  await sleep(1000);
  await answers();
  expect(peak()).toBeLessThan(most);
});

it("hundreds who ask for a large blob and do not take it cost little", async () => {
  const bytes = randomBytes(9_000_000);
  const path = `/v2/a/blobs/uploads/?digest=${digestOf(bytes)}`;
  const headers = { "content-length": String(bytes.length) };
  expect((await ask(registry.port, "POST", path, headers, bytes)).status).toBe(201);
  for (let at = 0; at < 500; at++) {
    open(`GET /v2/a/blobs/${digestOf(bytes)} HTTP/1.1\r\nhost: a\r\n\r\n`).pause();
  }
  await sleep(2000);
  await answers();
  expect((await ask(registry.port, "GET", `/v2/a/blobs/${digestOf(bytes)}`)).body.equals(bytes)).toBe(true);
  expect(peak()).toBeLessThan(most);
});

it("manifests that never end and that are as large as they may be, from hundreds at once, cost little", async () => {
  const config = { mediaType: "a/b", digest: digestOf(Buffer.from("x")), size: 1 };
  const body = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config,
      layers: Array(35_000).fill(config),
    }),
  );
  const head = (rest: string): string =>
    `PUT /v2/a/manifests/1 HTTP/1.1\r\nhost: a\r\ncontent-type: ${mediaTypes.manifest}\r\n${rest}\r\n\r\n`;
  for (let at = 0; at < 150; at++) {
    const socket = open(head("transfer-encoding: chunked"));
    const chunk = `10000\r\n${"[".repeat(0x10000)}\r\n`;
    const pump = (): void => {
      while (socket.writable && socket.write(chunk));
    };
    socket.on("drain", pump);
    pump();
  }
  const refused = await Promise.all(
    Array.from({ length: 40 }, () => {
      const headers = { "content-length": String(body.length), "content-type": mediaTypes.manifest };
      return ask(registry.port, "PUT", "/v2/a/manifests/1", headers, body);
    }),
  );
  // What is named is not there; and where too many come at once, some are to come again.
  for (const { status } of refused) expect([404, 429]).toContain(status);
  await answers();
  expect(peak()).toBeLessThan(most);
  await expect
    .poll(() => registry.log().match(/"status":4(?:13|29)/g)?.length ?? 0, { timeout: 120_000 })
    .toBeGreaterThanOrEqual(150);
});

it("manifests that name tens of thousands of things that are there cost little", async () => {
  const bytes = Buffer.from("x");
  const config = { mediaType: "a/b", digest: digestOf(bytes), size: 1 };
  expect(
    (await ask(registry.port, "POST", `/v2/a/blobs/uploads/?digest=${config.digest}`, {}, bytes)).status,
  ).toBe(201);
  const document = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config,
    layers: Array(35_000).fill(config),
  };
  const taken = await Promise.all(
    Array.from({ length: 12 }, (_, at) => {
      const body = Buffer.from(JSON.stringify({ ...document, annotations: { at: String(at) } }));
      const headers = { "content-length": String(body.length), "content-type": mediaTypes.manifest };
      return ask(registry.port, "PUT", `/v2/a/manifests/${at}`, headers, body);
    }),
  );
  for (const { status } of taken) expect([201, 429]).toContain(status);
  expect(taken.some(({ status }) => status === 201)).toBe(true);
  await answers();
  expect(peak()).toBeLessThan(most);
});

it("tags without an end are refused before the store cannot be read any more", async () => {
  await registry.stop();
  const directory = join(place, "store");
  const store = await openStore(directory);
  async function* once(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("{}");
  }
  const blob = await store.add(once());
  const config = { mediaType: "a/b", ...blob };
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [config] }),
  );
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield manifest;
  }
  const added = { mediaType: mediaTypes.manifest, ...(await store.add(bytes())) };
  // As many as fit: what a million pushes would come to.
  const entry = (at: number): object => ({
    ...{ annotations: { "org.opencontainers.image.ref.name": `many:${String(at).padStart(7, "0")}` } },
    ...{ digest: added.digest, mediaType: added.mediaType, size: added.size },
  });
  const length = JSON.stringify(entry(0)).length + 1;
  const count = Math.floor((6 * 1024 * 1024 - 4000) / length);
  const index = {
    manifests: Array.from({ length: count }, (_, at) => entry(at)),
    mediaType: mediaTypes.index,
    schemaVersion: 2,
  };
  writeFileSync(join(directory, "index.json"), JSON.stringify(index));
  registry = await whittleServe(directory);
  const put = async (tag: string): Promise<number> => {
    const headers = { "content-length": String(manifest.length), "content-type": mediaTypes.manifest };
    return (await ask(registry.port, "PUT", `/v2/many/manifests/${tag}`, headers, manifest)).status;
  };
  let status = 201;
  for (let at = 0; status === 201 && at < 50; at++) status = await put(`more-${at}-${"x".repeat(100)}`);
  expect(status).toBe(403);
  const page = await ask(registry.port, "GET", "/v2/many/tags/list?n=2");
  expect(JSON.parse(page.body.toString())).toEqual({ name: "many", tags: ["0000000", "0000001"] });
  expect((await ask(registry.port, "DELETE", "/v2/many/manifests/0000000")).status).toBe(202);
  expect((await ask(registry.port, "GET", `/v2/many/manifests/0000001`)).status).toBe(200);
  expect(peak()).toBeLessThan(most);
});
