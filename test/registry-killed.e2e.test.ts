import { createHash, randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Descriptor, mediaTypes, parsePlatform, writeImage, writeLayer } from "../src/image/index.ts";
import { bytesContent, quietWork } from "../src/io/index.ts";
import { openClient, openRemote, pullImage, pushImage, remoteReference } from "../src/registry/index.ts";
import { openStore, type Store } from "../src/store/index.ts";
import { attributes, treeOf } from "../src/tree/index.ts";
import { ask } from "./nginx-server.ts";
import { temporary } from "./program.ts";
import { type RegistryProcess, whittleServe } from "./registry-servers.ts";

let place = "";
let served = "";
let registry: RegistryProcess;

beforeEach(async () => {
  place = temporary();
  served = join(place, "served");
  await openStore(served, { create: true });
  registry = await whittleServe(served);
});

afterEach(async () => {
  await registry.stop();
  const store = await openStore(served);
  for await (const problem of store.verify(quietWork)) expect(problem).toBeUndefined();
  rmSync(place, { recursive: true, force: true });
});

const client = (): ReturnType<typeof openClient> =>
  openClient({ environment: {}, attempts: 12, delay: 30, credential: async () => undefined });

async function imageOf(store: Store, bytes: number): Promise<Descriptor> {
  const file = (): { type: "file" } & ReturnType<typeof attributes> & {
      content: ReturnType<typeof bytesContent>;
    } => ({
    ...{ type: "file" as const, ...attributes(0o644), content: bytesContent(randomBytes(bytes)) },
  });
  const layers = await Promise.all(
    ["/a", "/b", "/c"].map((path) => writeLayer(treeOf([[path, file()]]), store, { work: quietWork })),
  );
  const history = layers.map(() => ({ created_by: "files" }));
  return writeImage(store, { platform: parsePlatform("linux/amd64"), config: {}, layers, history });
}

describe("a server killed while images are pushed", () => {
  it("takes them in the end, has what it acknowledged, and its store is whole", async () => {
    const origin = await openStore(join(place, "origin"), { create: true });
    const images = [
      await imageOf(origin, 4_000_000),
      await imageOf(origin, 4_000_000),
      await imageOf(origin, 1000),
    ];
    const acknowledged: number[] = [];
    const pushes = images.map(async (descriptor, index) => {
      const session = await client().session(registry.host);
      const target = { session, repository: `killed/${index}`, source: origin, descriptor };
      await pushImage({ ...target, tag: "1", work: quietWork });
      acknowledged.push(index);
    });
    const pushed = Promise.all(pushes);
    for (let kill = 0; kill < 2; kill++) {
      // Somewhere in the middle of it: as soon as more bytes have arrived.
      const before = acknowledged.length;
      await new Promise((resolve) => setTimeout(resolve, 60));
      const { port } = registry;
      await registry.stop("SIGKILL");
      registry = await whittleServe(served, [], port);
      for (const index of acknowledged.slice(0, before)) {
        const found = await ask(port, "HEAD", `/v2/killed/${index}/manifests/1`);
        expect(found.status).toBe(200);
      }
      const store = await openStore(served);
      // What is not named yet is young, and stays.
      expect((await store.gc(quietWork)).removed).toEqual([]);
    }
    await pushed;
    for (const [index, { digest }] of images.entries()) {
      const target = await openStore(join(place, `pulled-${index}`), { create: true });
      const reference = remoteReference(`${registry.host}/killed/${index}:1`);
      const opened = await openRemote(reference, quietWork, client());
      await pullImage(opened.source, opened.descriptor, target, quietWork);
      await target.tag("pulled:1", opened.descriptor);
      expect(opened.descriptor.digest).toBe(digest);
      for await (const problem of target.verify(quietWork)) expect(problem).toBeUndefined();
    }
  });

  it("goes on with an upload where it stood", async () => {
    const bytes = randomBytes(500_000);
    const begun = await ask(registry.port, "POST", "/v2/a/blobs/uploads/", { "content-length": "0" });
    const at = begun.headers.location ?? "";
    const half = { "content-length": "250000", "content-range": "0-249999" };
    expect((await ask(registry.port, "PATCH", at, half, bytes.subarray(0, 250_000))).status).toBe(202);
    const { port } = registry;
    await registry.stop("SIGKILL");
    registry = await whittleServe(served, [], port);
    const stands = await ask(port, "GET", at);
    expect([stands.status, stands.headers["range"]]).toEqual([204, "0-249999"]);
    const digest = createHash("sha256").update(bytes).digest("hex");
    const rest = { "content-length": "250000", "content-range": "250000-499999" };
    const put = await ask(port, "PUT", `${at}?digest=sha256:${digest}`, rest, bytes.subarray(250_000));
    expect(put.status).toBe(201);
    const pulled = await ask(port, "GET", `/v2/a/blobs/sha256:${digest}`);
    expect(pulled.body.equals(bytes)).toBe(true);
  });
});

describe("a hostile client", () => {
  const put = (body: Buffer, type: string = mediaTypes.manifest): ReturnType<typeof ask> => {
    const headers = { "content-length": String(body.length), "content-type": type };
    return ask(registry.port, "PUT", "/v2/a/manifests/1", headers, body);
  };

  it.each<[string, Buffer, number]>([
    [
      "nests deeply",
      Buffer.from(`{"schemaVersion":2,"a":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}}`),
      400,
    ],
    ["nests without an end", Buffer.from("[".repeat(2_000_000)), 400],
    ["is too long", Buffer.alloc(5 * 1024 * 1024, " "), 413],
    ["is not text", randomBytes(1000), 400],
    ["is null", Buffer.from("null"), 400],
    [
      "names very many layers",
      Buffer.from(
        JSON.stringify({
          ...{ schemaVersion: 2, mediaType: mediaTypes.manifest },
          config: { mediaType: mediaTypes.config, digest: `sha256:${"0".repeat(64)}`, size: 2 },
          layers: Array(20_000).fill({
            mediaType: mediaTypes.layer,
            digest: `sha256:${"1".repeat(64)}`,
            size: 1,
          }),
        }),
      ),
      404,
    ],
  ])("whose manifest %s is refused", async (_what, body, status) => {
    const refused = await put(body);
    expect(refused.status).toBe(status);
    expect((await ask(registry.port, "GET", "/v2/")).status).toBe(200);
  });

  it("may not leave the store, whatever name it gives", async () => {
    for (const path of [
      "/v2/../../../../etc/passwd",
      "/v2/..%2f..%2f..%2fetc%2fpasswd/manifests/1",
      "/v2/a/blobs/sha256:..%2f..%2findex.json",
      "/v2/a/blobs/uploads/..%2f..%2f..%2fetc",
      "/v2/a/manifests/..%2f..%2fx",
    ]) {
      for (const method of ["GET", "PUT", "PATCH", "DELETE"]) {
        const { status } = await ask(registry.port, method, path, { "content-length": "0" });
        expect([400, 404, 405]).toContain(status);
      }
    }
  });

  it("may not send more than a blob may have", async () => {
    await registry.stop();
    registry = await whittleServe(served, ["--max-blob", "1000"]);
    const digest = `sha256:${"0".repeat(64)}`;
    const big = Buffer.alloc(100_000);
    const path = `/v2/a/blobs/uploads/?digest=${digest}`;
    const refused = await ask(registry.port, "POST", path, { "content-length": "100000" }, big).catch(
      () => undefined,
    );
    expect(refused?.status ?? 413).toBe(413);
    await expect.poll(() => registry.log()).toContain('"status":413');
    expect((await ask(registry.port, "HEAD", `/v2/a/blobs/${digest}`)).status).toBe(404);
  });
});
