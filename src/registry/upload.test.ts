import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { Descriptor } from "../image/index.ts";
import { type ProgressEvent, quietWork } from "../io/index.ts";
import { openStore, type Store } from "../store/index.ts";
import { openClient } from "./client.ts";
import { Repository } from "./repository.ts";
import { monolithic } from "./send-blob.ts";
import { served } from "./server/served.contract.ts";
import { uploadBlob } from "./upload.ts";

const mediaType = "application/octet-stream";

async function emptyStore(): Promise<Store> {
  const place = mkdtempSync(join(tmpdir(), "whittle-test-"));
  onTestFinished(() => rmSync(place, { recursive: true, force: true }));
  return openStore(join(place, "store"), { create: true });
}

async function blobOf(store: Store, size: number): Promise<Descriptor> {
  const bytes = randomBytes(size);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}` as const;
  await store.add(
    (async function* () {
      yield bytes;
    })(),
    { digest, size },
  );
  return { mediaType, digest, size };
}

// To who has another address than we the kernel sends by itself.
it.each([
  ["127.0.0.1", 10],
  ["127.0.0.1", 1_500_000],
  ["127.0.0.1", 40_000_000],
  ["127.0.0.2", 10],
  ["127.0.0.2", 1_500_000],
  ["127.0.0.2", 40_000_000],
])("to a registry at %s a blob of %i bytes is sent as it is, and progress is told", async (host, size) => {
  const { registry, store } = await served({ host });
  const source = await emptyStore();
  const descriptor = await blobOf(source, size);
  const session = await openClient({ environment: {} }).session(`${host}:${registry.port}`);
  const told: number[] = [];
  const progress = (event: ProgressEvent): void => {
    if (event.kind === "bytes") told.push(event.bytes);
  };
  const work = { ...quietWork, progress };
  expect(await uploadBlob({ session, repository: "a", descriptor, source, work })).toBe("uploaded");
  const { path = "" } = (await store.file(descriptor.digest)) ?? {};
  const { path: own = "" } = (await source.file(descriptor.digest)) ?? {};
  expect(readFileSync(path).equals(readFileSync(own))).toBe(true);
  if (size > monolithic) expect(told.at(-1)).toBe(size);
  expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
});

it.each([10, 1_500_000, 9_000_000])(
  "a damaged blob of %i bytes is taken by nobody, and is said to be damaged",
  async (size) => {
    const { registry, store } = await served();
    const source = await emptyStore();
    const descriptor = await blobOf(source, size);
    const { path = "" } = (await source.file(descriptor.digest)) ?? {};
    const bytes = readFileSync(path);
    bytes[size >> 1] = (bytes[size >> 1] ?? 0) ^ 4;
    writeFileSync(path, bytes);
    const session = await openClient({ environment: {}, attempts: 1 }).session(`127.0.0.1:${registry.port}`);
    const sent = uploadBlob({ session, repository: "a", descriptor, source, work: quietWork });
    await expect(sent).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
      message: expect.stringContaining(path),
      hint: expect.stringContaining("damaged on disk"),
    });
    expect(await store.has(descriptor.digest)).toBe(false);
  },
);

it("blobs go, one at a time, from one repository of a registry into another", {
  timeout: 20_000,
}, async () => {
  const blobs = Array.from({ length: 3 }, () => randomBytes(1_200_000));
  const sha = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
  const taken: string[] = [];
  // One that mounts nothing.
  const server = createServer(async ({ method, url = "", headers: { host } }, response) => {
    if (method === "GET") response.end(blobs.find((bytes) => url.endsWith(sha(bytes))));
    else if (method === "HEAD") response.writeHead(404).end();
    else if (method === "POST")
      response.writeHead(202, { location: `http://${host}/v2/b/blobs/uploads/1` }).end();
  });
  server.on("request", async (request, response) => {
    if (request.method !== "PUT") return;
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    taken.push(sha(Buffer.concat(chunks)));
    response.writeHead(201).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close());
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const session = await openClient({ environment: {}, connections: 1 }).session(host);
  const source = new Repository(session, "a", quietWork.signal);
  const sent = blobs.map((bytes) => {
    const descriptor = { mediaType, digest: `sha256:${sha(bytes)}` as const, size: bytes.length };
    return uploadBlob({ session, repository: "b", descriptor, source, work: quietWork });
  });
  expect(new Set(await Promise.all(sent))).toEqual(new Set(["uploaded"]));
  expect(taken.sort()).toEqual(blobs.map(sha).sort());
});
