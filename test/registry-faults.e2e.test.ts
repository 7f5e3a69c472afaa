import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type Descriptor,
  mediaTypes,
  parsePlatform,
  readManifest,
  writeImage,
  writeLayer,
} from "../src/image/index.ts";
import { bytesContent, quietWork } from "../src/io/index.ts";
import { openClient, openRemote, pullImage, pushImage, remoteReference } from "../src/registry/index.ts";
import { openStore, type Store } from "../src/store/index.ts";
import { attributes, treeOf } from "../src/tree/index.ts";
import { temporary } from "./program.ts";
import { type Fault, type FaultProxy, faultProxy, type Passed } from "./registry-proxy.ts";
import { dockerRegistry, type RegistryProcess } from "./registry-servers.ts";

// Debian's docker-registry behind a connection that spoils requests, and another origin that must get no credential.

let place = "";
let registry: RegistryProcess;
let proxy: FaultProxy;
let stranger: Server;
let strangersAsked: (string | undefined)[] = [];
let strangersHost = "";
let origin: Store;
let image: Descriptor;
let layer = "";
let layerSize = 0;
let count = 0;

const size = 3_000_000;
/** What is longer is the layer, or the rest of it. */
const config = 100_000;
const user = "ada";
const password = "love:lace";

beforeAll(async () => {
  place = temporary();
  const { hashSync } = await import("bcryptjs");
  const { writeFileSync } = await import("node:fs");
  writeFileSync(join(place, "users"), `${user}:${hashSync(password, 4)}\n`);
  registry = await dockerRegistry(
    join(place, "debian"),
    `auth: {htpasswd: {realm: tested, path: ${join(place, "users")}}}\n`,
  );
  proxy = await faultProxy(registry.port);
  stranger = createServer((request, response) => {
    strangersAsked.push(request.headers.authorization);
    response
      .writeHead(401, { "www-authenticate": `Bearer realm="http://${strangersHost}/token",service="x"` })
      .end();
  }).listen(0, "127.0.0.1");
  await once(stranger, "listening");
  strangersHost = `127.0.0.1:${(stranger.address() as AddressInfo).port}`;
  origin = await openStore(join(place, "origin"), { create: true });
  const tree = treeOf([
    ["/big", { type: "file", ...attributes(0o644), content: bytesContent(randomBytes(size)) }],
  ]);
  image = await writeImage(origin, {
    platform: parsePlatform("linux/amd64"),
    config: {},
    layers: [await writeLayer(tree, origin, { work: quietWork })],
    history: [{ created_by: "files" }],
  });
  const [written] = (await readManifest(origin, image)).layers;
  layer = written?.digest ?? "";
  layerSize = written?.size ?? 0;
  await push("faults/pull");
});

afterEach(() => {
  proxy.fault = () => undefined;
  proxy.passed.length = 0;
  // Whatever happened, no credential went there.
  expect(strangersAsked.every((shown) => shown === undefined)).toBe(true);
  strangersAsked = [];
});

afterAll(async () => {
  await proxy.stop();
  stranger.closeAllConnections();
  stranger.close();
  await registry.stop();
  rmSync(place, { recursive: true, force: true });
});

function client(): ReturnType<typeof openClient> {
  return openClient({
    ...{ environment: {}, attempts: 4, delay: 5, stall: 700 },
    credential: async () => ({ kind: "password", username: user, password }),
  });
}

async function push(repository: string): Promise<void> {
  const session = await client().session(proxy.host);
  await pushImage({ session, repository, tag: "1", source: origin, descriptor: image, work: quietWork });
}

/** Pulls into a store of its own, which has to be whole whatever comes of it. */
async function pull(): Promise<Store> {
  const store = await openStore(join(place, `pulled-${++count}`), { create: true });
  try {
    const reference = remoteReference(`${proxy.host}/faults/pull:1`);
    const opened = await openRemote(reference, quietWork, client());
    await pullImage(opened.source, opened.descriptor, store, quietWork);
    await store.tag("pulled:1", opened.descriptor);
  } finally {
    for await (const problem of store.verify(quietWork)) expect(problem).toBeUndefined();
  }
  return store;
}

const isBlob = ({ method, path }: Passed): boolean => method === "GET" && path.endsWith(`/blobs/${layer}`);
const isManifest = ({ method, path }: Passed): boolean => method === "GET" && path.includes("/manifests/");
const isData = ({ method, path, length }: Passed): boolean =>
  ["PATCH", "PUT"].includes(method) && path.includes("/blobs/uploads/") && Number(length) > config;

/** Spoils the first requests of a kind. */
function spoilFirst(times: number, is: (passed: Passed) => boolean, fault: Fault): void {
  let left = times;
  proxy.fault = (passed) =>
    is(passed) && passed.authorization !== undefined && left-- > 0 ? fault : undefined;
}

describe("a pull", () => {
  it.each<[string, number, (passed: Passed) => boolean, Fault]>([
    ["a cut at the first byte", 2, isBlob, { kind: "cut", at: 0 }],
    ["a cut in the middle", 3, isBlob, { kind: "cut", at: 700_000 }],
    ["many cuts, as long as it moves", 20, isBlob, { kind: "cut", at: 150_000 }],
    ["a stall", 1, isBlob, { kind: "stall", at: 100_000 }],
    [
      "429 with a time to wait",
      2,
      isBlob,
      { kind: "answer", status: 429, headers: { "retry-after": "0.1" } },
    ],
    ["500", 2, isBlob, { kind: "answer", status: 500 }],
    ["502 for the manifest", 2, isManifest, { kind: "answer", status: 502 }],
    ["a cut manifest", 1, isManifest, { kind: "cut", at: 10 }],
    ["a slow drip", 9, isBlob, { kind: "drip" }],
  ])("ends right in spite of %s", async (_what, times, is, fault) => {
    spoilFirst(times, is, fault);
    const store = await pull();
    expect((await store.resolve("pulled:1"))?.digest).toBe(image.digest);
  });

  it("goes on where it broke", async () => {
    spoilFirst(1, isBlob, { kind: "cut", at: 1_000_000 });
    await pull();
    const ranges = proxy.passed.filter(isBlob).flatMap(({ range }) => (range === undefined ? [] : [range]));
    expect(ranges.length).toBeGreaterThan(0);
    for (const range of ranges) expect(range).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it.each<[string, (passed: Passed) => boolean, Fault, string]>([
    ["a flipped bit in a blob", isBlob, { kind: "flip", at: 50 }, "DIGEST_MISMATCH"],
    ["a flipped bit in the manifest", isManifest, { kind: "flip", at: 50 }, "DIGEST_MISMATCH"],
    ["a blob that is longer", isBlob, { kind: "length", by: 5 }, "DIGEST_MISMATCH"],
    ["a blob that is shorter", isBlob, { kind: "length", by: -5 }, "DIGEST_MISMATCH"],
    ["cuts that never end", isBlob, { kind: "cut", at: 0 }, "NETWORK"],
    ["stalls that never end", isManifest, { kind: "stall", at: 0 }, "NETWORK"],
    ["500 for ever", isBlob, { kind: "answer", status: 500 }, "NETWORK"],
    ["403", isBlob, { kind: "answer", status: 403 }, "REGISTRY_DENIED"],
    ["404", isBlob, { kind: "answer", status: 404 }, "NOT_FOUND"],
  ])("fails clearly after %s", async (_what, is, fault, code) => {
    spoilFirst(Number.POSITIVE_INFINITY, is, fault);
    const failed = pull();
    await expect(failed).rejects.toMatchObject({ code });
    await expect(failed).rejects.not.toThrow(new RegExp(password));
  });

  it("shows nothing to another origin that it is sent to", async () => {
    const moved: Fault = {
      kind: "answer",
      status: 307,
      headers: { location: `http://${strangersHost}/elsewhere` },
    };
    spoilFirst(Number.POSITIVE_INFINITY, isBlob, moved);
    await expect(pull()).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    expect(strangersAsked.length).toBeGreaterThan(0);
  });
});

describe("a push", () => {
  it.each<[string, number, (passed: Passed) => boolean, Fault]>([
    ["a cut upload", 1, isData, { kind: "cut-request", at: 1_000_000 }],
    ["several cut uploads", 3, isData, { kind: "cut-request", at: 600_000 }],
    ["500 for the data", 1, isData, { kind: "answer", status: 500 }],
    ["answers that get lost", 3, ({ method }) => method === "PUT", { kind: "lose-answer" }],
    [
      "502 for the manifest",
      2,
      ({ method, path }) => method === "PUT" && path.includes("/manifests/"),
      { kind: "answer", status: 502 },
    ],
    [
      "429 at the beginning",
      2,
      ({ method }) => method === "POST",
      { kind: "answer", status: 429, headers: { "retry-after": "0" } },
    ],
  ])("ends right in spite of %s", async (_what, times, is, fault) => {
    spoilFirst(times, is, fault);
    const repository = `faults/push-${++count}`;
    await push(repository);
    const there = await openRemote(remoteReference(`${proxy.host}/${repository}:1`), quietWork, client());
    expect(there.descriptor).toEqual({
      ...there.descriptor,
      digest: image.digest,
      mediaType: mediaTypes.manifest,
    });
  });

  it("goes on where the registry says that it stopped", async () => {
    spoilFirst(1, isData, { kind: "cut-request", at: 1_500_000 });
    await push(`faults/push-${++count}`);
    const asked = proxy.passed.filter(({ method, path }) => method === "GET" && path.includes("/uploads/"));
    expect(asked.length).toBeGreaterThan(0);
  });

  it("sends nothing again that arrived, when the answer gets lost", async () => {
    spoilFirst(1, isData, { kind: "lose-answer" });
    await push(`faults/push-${++count}`);
    expect(proxy.passed.filter(isData)).toMatchObject([{ method: "PUT", bytes: layerSize }]);
  });

  it("makes one request for an image that is there", async () => {
    await push("faults/pull");
    const after = proxy.passed.filter(({ authorization }) => authorization !== undefined);
    expect(after.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "HEAD /v2/faults/pull/manifests/1",
    ]);
  });

  it("under a new name makes one request for each blob, and one to look and one to name it", async () => {
    const session = await client().session(proxy.host);
    const target = { session, repository: "faults/pull", source: origin, descriptor: image, work: quietWork };
    await pushImage({ ...target, tag: `t${++count}` });
    const after = proxy.passed.filter(({ authorization }) => authorization !== undefined);
    expect(after.map(({ method }) => method).sort()).toEqual(["HEAD", "HEAD", "HEAD", "PUT"]);
  });

  it("mounts the blobs of another repository", async () => {
    const session = await client().session(proxy.host);
    const target = { session, repository: `faults/mount-${++count}`, source: origin, descriptor: image };
    const { counts } = await pushImage({
      ...target,
      tag: "1",
      from: async () => "faults/pull",
      work: quietWork,
    });
    expect(counts).toEqual({ there: 0, mounted: 2, uploaded: 1 });
    expect(proxy.passed.some(isData)).toBe(false);
  });

  it("shows nothing to another origin that an upload is sent to", async () => {
    const away: Fault = {
      kind: "answer",
      status: 202,
      headers: { location: `http://${strangersHost}/upload` },
    };
    spoilFirst(Number.POSITIVE_INFINITY, ({ method }) => method === "POST", away);
    await expect(push(`faults/push-${++count}`)).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    expect(strangersAsked.length).toBeGreaterThan(0);
  });
});
