import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Descriptor, mediaTypes, parsePlatform, writeImage } from "../src/image/index.ts";
import { type Digest, quietWork, sha256, type Work } from "../src/io/index.ts";
import {
  type ClientOptions,
  openClient,
  openRemote,
  pullImage,
  RepositoryPush,
  remoteReference,
} from "../src/registry/index.ts";
import { openStore, type Store } from "../src/store/index.ts";
import { temporary } from "./program.ts";
import { type Fault, type FaultProxy, faultProxy, type Passed } from "./registry-proxy.ts";
import { dockerRegistry, type RegistryProcess, whittleServe } from "./registry-servers.ts";

// A layer that goes into an upload while the store still writes it, through a connection that spoils requests.

const megabyte = 1024 * 1024;

const servers = {
  "docker-registry": dockerRegistry,
  "whittle serve": (directory: string) => whittleServe(directory),
};

describe.each(Object.keys(servers) as (keyof typeof servers)[])("to %s", (server) => {
  let place = "";
  let registry: RegistryProcess;
  let proxy: FaultProxy;
  let store: Store;
  let name = "";
  let count = 0;

  beforeAll(async () => {
    place = temporary();
    registry = await servers[server](join(place, "served"));
    proxy = await faultProxy(registry.port);
  });

  afterAll(async () => {
    await proxy.stop();
    await registry.stop();
    rmSync(place, { recursive: true, force: true });
  });

  beforeEach(async () => {
    proxy.fault = () => undefined;
    proxy.passed.length = 0;
    name = `ahead/${++count}`;
    store = await openStore(join(place, `store-${count}`), { create: true });
  });

  async function repositoryPush(
    work: Work = quietWork,
    options: Partial<ClientOptions> = {},
  ): Promise<RepositoryPush> {
    const client = openClient({ environment: {}, delay: 1, ...options });
    const session = await client.session(proxy.host);
    return new RepositoryPush({ session, repository: name, source: store, work });
  }

  /** Writes a layer into the store: its first half, and its second one after something. */
  async function write(
    push: RepositoryPush,
    bytes: Buffer,
    between: () => Promise<void> = async () => undefined,
  ): Promise<Descriptor> {
    const written = Promise.withResolvers<Descriptor>();
    async function* stream(): AsyncGenerator<Uint8Array, void, undefined> {
      yield bytes.subarray(0, bytes.length / 2);
      await between();
      yield bytes.subarray(bytes.length / 2);
    }
    const growing = (file: string): void => push.ahead(file, written.promise);
    try {
      const added = await store.add(stream(), { growing });
      const layer = { mediaType: mediaTypes.layerGzip, ...added };
      written.resolve(layer);
      return layer;
    } catch (error) {
      written.reject(error);
      throw error;
    }
  }

  async function imageOf(layer: Descriptor): Promise<Descriptor> {
    const record = { descriptor: layer, diffId: layer.digest, unpackedSize: layer.size, files: 1 };
    const platform = parsePlatform("linux/amd64");
    return writeImage(store, { platform, config: {}, layers: [record], history: [{ created_by: "x" }] });
  }

  /** Reads the image back, every digest proved, past the proxy. */
  async function readBack(image: Descriptor, layer: Descriptor, bytes: Buffer): Promise<void> {
    const reference = remoteReference(`${registry.host}/${name}:1`);
    const opened = await openRemote(reference, quietWork, openClient({ environment: {} }));
    expect(opened.descriptor.digest).toBe(image.digest);
    const copy = await openStore(join(place, `copy-${count}`), { create: true });
    await pullImage(opened.source, image, copy, quietWork);
    const file = await copy.file(layer.digest);
    expect([file?.size, layer.digest]).toEqual([bytes.length, sha256(bytes)]);
  }

  const uploads = (method?: string): Passed[] =>
    proxy.passed.filter(
      (one) => one.path.includes("/blobs/uploads/") && (method === undefined || one.method === method),
    );

  /** Resolves when so many bytes of a PATCH went by. */
  async function arrival(bytes: number): Promise<void> {
    while (!uploads("PATCH").some((passed) => passed.bytes >= bytes)) await tick();
  }

  /** Spoils the first request of a method for an upload; a PUT that closes one has no body. */
  function spoilFirst(method: string, fault: Fault): void {
    let spoiled = false;
    proxy.fault = (passed) => {
      if (spoiled || passed.method !== method || !passed.path.includes("/blobs/uploads/")) return undefined;
      if (method === "PUT" && passed.length !== "0") return undefined;
      spoiled = true;
      return fault;
    };
  }

  it("sends bytes before the layer is whole, and each once", async () => {
    const bytes = randomBytes(8 * megabyte);
    const push = await repositoryPush();
    const layer = await write(push, bytes, async () => {
      await arrival(3 * megabyte);
      expect(await store.has(sha256(bytes))).toBe(false);
    });
    const image = await imageOf(layer);
    const { counts } = await push.image({ tag: "1", descriptor: image });
    expect(counts).toEqual({ there: 0, mounted: 0, uploaded: 3 });
    await readBack(image, layer, bytes);
    const [patch, ...others] = uploads("PATCH");
    expect([patch?.bytes, patch?.length, others]).toEqual([bytes.length, undefined, []]);
    expect(uploads("PUT").filter(({ path }) => path.includes(layer.digest.slice(7)))).toHaveLength(1);
    expect(uploads("DELETE")).toEqual([]);
    const looks = proxy.passed.filter(({ method, path }) => method === "HEAD" && path.endsWith(layer.digest));
    expect(looks).toHaveLength(1);
  });

  it("sends a small layer in one request, as ever", async () => {
    const bytes = randomBytes(megabyte / 2);
    const push = await repositoryPush();
    const layer = await write(push, bytes);
    const image = await imageOf(layer);
    await push.image({ tag: "1", descriptor: image });
    await readBack(image, layer, bytes);
    expect(uploads("PATCH")).toEqual([]);
  });

  const faults: readonly (readonly [string, string, Fault])[] = [
    ["a connection that breaks", "PATCH", { kind: "cut-request", at: 2 * megabyte }],
    ["a server that fails", "PATCH", { kind: "answer", status: 500 }],
    ["a server that wants a length", "PATCH", { kind: "answer", status: 411 }],
    ["a server that cannot", "PATCH", { kind: "answer", status: 501 }],
    ["a server that says nothing of where it goes on", "PATCH", { kind: "answer", status: 202 }],
    ["an upload that is forgotten", "PATCH", { kind: "answer", status: 404 }],
    ["a redirect", "PATCH", { kind: "answer", status: 307, headers: { location: "http://127.0.0.1:1/x" } }],
    ["a bit that flips on the way", "PATCH", { kind: "flip-request", at: megabyte + 5 }],
    ["a server that fails at the end", "PUT", { kind: "answer", status: 503 }],
    ["a server that refuses at the end", "PUT", { kind: "answer", status: 400 }],
    ["a server that fails at the beginning", "POST", { kind: "answer", status: 500 }],
    ["a server that refuses at the beginning", "POST", { kind: "answer", status: 404 }],
  ];

  it.each(faults)("ends right in spite of %s (%s)", async (_what, method, fault) => {
    spoilFirst(method, fault);
    const bytes = randomBytes(6 * megabyte);
    const push = await repositoryPush();
    const layer = await write(push, bytes, async () => {
      while (uploads(method === "PUT" ? "PATCH" : method).length === 0) await tick();
    });
    const image = await imageOf(layer);
    await push.image({ tag: "1", descriptor: image });
    await readBack(image, layer, bytes);
    if (method !== "POST") expect(uploads("DELETE").length).toBeGreaterThan(0);
  });

  it("ends right after a stall", async () => {
    const until = Promise.withResolvers<void>();
    spoilFirst("PATCH", { kind: "hold-request", at: megabyte, until: until.promise });
    // More than lies in the memory of two connections.
    const bytes = randomBytes(48 * megabyte);
    const push = await repositoryPush(quietWork, { stall: 1500 });
    const layer = await write(push, bytes);
    const image = await imageOf(layer);
    await push.image({ tag: "1", descriptor: image });
    until.resolve();
    await readBack(image, layer, bytes);
    expect(uploads("DELETE").length).toBeGreaterThan(0);
  });

  it("makes nobody wait for a slow registry who writes the layer", async () => {
    const until = Promise.withResolvers<void>();
    spoilFirst("PATCH", { kind: "hold-request", at: megabyte, until: until.promise });
    const bytes = randomBytes(48 * megabyte);
    const push = await repositoryPush();
    const layer = await write(push, bytes, () => arrival(megabyte));
    // It is whole, and most of it has yet to travel.
    expect(uploads("PATCH")[0]?.bytes).toBeLessThan(bytes.length / 2);
    until.resolve();
    const image = await imageOf(layer);
    await push.image({ tag: "1", descriptor: image });
    await readBack(image, layer, bytes);
    expect(uploads("PATCH").map((passed) => passed.bytes)).toEqual([bytes.length]);
  });

  it("waits for a layer that grows slowly longer than for a registry", async () => {
    const bytes = randomBytes(8 * megabyte);
    const push = await repositoryPush(quietWork, { stall: 400 });
    const layer = await write(push, bytes, () => new Promise((resolve) => setTimeout(resolve, 2500)));
    const image = await imageOf(layer);
    await push.image({ tag: "1", descriptor: image });
    await readBack(image, layer, bytes);
    expect(uploads("PATCH").map((passed) => passed.bytes)).toEqual([bytes.length]);
  });

  it("stops when somebody else has pushed the layer meanwhile", async () => {
    const bytes = randomBytes(48 * megabyte);
    const other = await openStore(join(place, `other-${count}`), { create: true });
    const added = await other.add([bytes] as unknown as AsyncIterable<Uint8Array>);
    const theirs = new RepositoryPush({
      session: await openClient({ environment: {} }).session(registry.host),
      ...{ repository: name, source: other, work: quietWork },
    });
    const until = Promise.withResolvers<void>();
    spoilFirst("PATCH", { kind: "hold-request", at: megabyte, until: until.promise });
    const push = await repositoryPush();
    const layer = await write(push, bytes, async () => {
      await arrival(megabyte);
      await theirs.ensure({ mediaType: mediaTypes.layerGzip, ...added });
    });
    const image = await imageOf(layer);
    const { counts } = await push.image({ tag: "1", descriptor: image });
    until.resolve();
    expect(counts).toEqual({ there: 1, mounted: 0, uploaded: 2 });
    await readBack(image, layer, bytes);
    expect(uploads("DELETE")).toHaveLength(1);
    expect(uploads("PATCH")[0]?.bytes).toBeLessThan(bytes.length);
  });

  it("leaves nothing behind when the layer comes to nothing", async () => {
    const push = await repositoryPush();
    const failing = write(push, randomBytes(8 * megabyte), async () => {
      await arrival(2 * megabyte);
      throw new Error("no more");
    });
    await expect(failing).rejects.toThrow("no more");
    while (uploads("DELETE").length === 0) await tick();
    expect(uploads("PUT")).toEqual([]);
  });

  it("leaves nothing behind when it is stopped", async () => {
    const stop = new AbortController();
    const push = await repositoryPush({ ...quietWork, signal: stop.signal });
    const go = Promise.withResolvers<void>();
    const written = write(push, randomBytes(8 * megabyte), async () => {
      await arrival(2 * megabyte);
      stop.abort(new Error("stopped"));
      await go.promise;
    });
    while (uploads("DELETE").length === 0) await tick();
    go.resolve();
    const image = await imageOf(await written);
    await expect(push.image({ tag: "1", descriptor: image })).rejects.toThrow("stopped");
    expect(uploads("PUT")).toEqual([]);
  });

  it("never has an image of bytes that were spoiled", async () => {
    proxy.fault = ({ path, length }) =>
      path.includes("/blobs/uploads/") && length !== "0"
        ? { kind: "flip-request", at: megabyte + 5 }
        : undefined;
    const push = await repositoryPush();
    const layer = await write(push, randomBytes(6 * megabyte), async () => {
      while (uploads("PATCH").length === 0) await tick();
    });
    const image = await imageOf(layer);
    await expect(push.image({ tag: "1", descriptor: image })).rejects.toMatchObject({
      code: "REGISTRY_REFUSED",
    });
    const asked = await fetch(`http://${registry.host}/v2/${name}/manifests/1`);
    const blob = await fetch(`http://${registry.host}/v2/${name}/blobs/${layer.digest as Digest}`, {
      method: "HEAD",
    });
    expect([asked.status, blob.status]).toEqual([404, 404]);
  });
});

function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}
