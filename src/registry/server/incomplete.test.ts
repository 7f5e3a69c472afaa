import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { mediaTypes } from "../../image/index.ts";
import { type Digest, quietWork } from "../../io/index.ts";
import { openStore } from "../../store/index.ts";
import { served } from "./served.contract.ts";

const digestOf = (bytes: string): Digest => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
const descriptor = (mediaType: string, bytes: string) => ({
  ...{ mediaType, digest: digestOf(bytes) },
  size: Buffer.byteLength(bytes),
});

async function push(origin: string, bytes: string): Promise<void> {
  const path = `/v2/a/blobs/uploads/?digest=${digestOf(bytes)}`;
  expect((await fetch(origin + path, { method: "POST", body: bytes })).status).toBe(201);
}

function put(origin: string, document: { readonly mediaType: string }): Promise<Response> {
  const headers = { "content-type": document.mediaType };
  return fetch(`${origin}/v2/a/manifests/1`, { method: "PUT", headers, body: JSON.stringify(document) });
}

describe("a repository whose name is the beginning of a path's reference", () => {
  it.each(["oci", "tar", "docker-archive"])("is refused: %s", async (name) => {
    const { origin } = await served();
    const document = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] };
    const headers = { "content-type": mediaTypes.index };
    const body = JSON.stringify(document);
    const response = await fetch(`${origin}/v2/${name}/manifests/1`, { method: "PUT", headers, body });
    const { errors } = (await response.json()) as { errors: { code: string }[] };
    expect([response.status, errors[0]?.code]).toEqual([400, "NAME_INVALID"]);
    expect((await fetch(`${origin}/v2/${name}/manifests/1`)).status).toBe(404);
  });
});

describe("a manifest that names what is not here", () => {
  const image = {
    ...{ schemaVersion: 2, mediaType: mediaTypes.manifest },
    config: descriptor("application/vnd.oci.image.config.v1+json", "{}"),
    layers: [descriptor(mediaTypes.layer, "a layer")],
  };
  const index = {
    ...{ schemaVersion: 2, mediaType: mediaTypes.index },
    manifests: [descriptor(mediaTypes.manifest, "a manifest")],
  };

  it.each([
    ["an image without a layer", image, "a layer"],
    ["an index without an image", index, "a manifest"],
  ])("is refused with the digest: %s", async (_what, document, missing) => {
    const { origin } = await served();
    await push(origin, "{}");
    const response = await put(origin, document);
    const digest = digestOf(missing);
    expect([response.status, await response.json()]).toEqual([
      404,
      {
        errors: [
          {
            code: "MANIFEST_BLOB_UNKNOWN",
            message: `the manifest names ${digest}, which is not here`,
            detail: { digest },
          },
        ],
      },
    ]);
    expect((await fetch(`${origin}/v2/a/manifests/1`)).status).toBe(404);
  });

  it("is refused with the digest when another client deletes it at this very moment", async () => {
    const { origin, store } = await served();
    for (const bytes of ["{}", "a layer"]) await push(origin, bytes);
    const gone = digestOf("a layer");
    const hold = store.hold.bind(store);
    store.hold = async (...asked) => {
      expect((await fetch(`${origin}/v2/b/blobs/${gone}`, { method: "DELETE" })).status).toBe(202);
      await hold(...asked);
    };
    const response = await put(origin, image);
    expect([response.status, await response.json()]).toMatchObject([
      404,
      { errors: [{ code: "MANIFEST_BLOB_UNKNOWN", detail: { digest: gone } }] },
    ]);
    expect((await fetch(`${origin}/v2/a/manifests/1`)).status).toBe(404);
  });
});

describe("a manifest that says something else of what is here", () => {
  const config = descriptor("application/vnd.oci.image.config.v1+json", "{}");
  const layer = descriptor(mediaTypes.layer, "a layer");
  const image = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] };
  const index = { schemaVersion: 2, mediaType: mediaTypes.index };
  const inner = descriptor(mediaTypes.manifest, JSON.stringify(image));

  it.each([
    ["a layer's size", { ...image, layers: [{ ...layer, size: 8 }] }],
    ["a config's size", { ...image, config: { ...config, size: 1 } }],
    ["two sizes of one layer", { ...image, layers: [layer, { ...layer, size: 6 }] }],
    ["a manifest's size", { ...index, manifests: [{ ...inner, size: inner.size + 1 }] }],
    ["a manifest's type", { ...index, manifests: [{ ...inner, mediaType: mediaTypes.index }] }],
    ["a layer to be a manifest", { ...index, manifests: [{ ...layer, mediaType: mediaTypes.manifest }] }],
  ])("is refused, and the store stays whole: %s", async (_what, document) => {
    const { origin, store } = await served();
    for (const bytes of ["{}", "a layer"]) await push(origin, bytes);
    expect((await put(origin, image)).status).toBe(201);
    const response = await put(origin, document);
    const { errors } = (await response.json()) as { errors: { code: string }[] };
    expect([response.status, errors[0]?.code]).toEqual([400, "MANIFEST_INVALID"]);
    expect(await (await fetch(`${origin}/v2/a/manifests/1`)).json()).toEqual(image);
    for await (const problem of store.verify(quietWork)) expect(problem).toBeUndefined();
  });

  it("is taken where others take it as well: an artifact without a type", async () => {
    const { origin, store } = await served();
    for (const bytes of ["{}", "a layer"]) await push(origin, bytes);
    const artifact = { ...image, config: { ...config, mediaType: mediaTypes.empty } };
    expect((await put(origin, artifact)).status).toBe(201);
    expect(await (await fetch(`${origin}/v2/a/manifests/1`)).json()).toEqual(artifact);
    for await (const problem of store.verify(quietWork)) expect(problem).toBeUndefined();
  });
});

describe("a push that a restart of the server interrupts", () => {
  it("goes on with the blobs that came before, whatever collects in between", async () => {
    const { store, registry, origin } = await served();
    await push(origin, "a layer");
    await registry.stop();
    // As another process would, without what the server knew: age does not keep either of them.
    const other = await openStore(store.directory);
    const idle = await other.add(bytesOf("nobody wants this"));
    await other.gc(quietWork, { keepYoungerThan: 0 });
    expect(await other.has(idle.digest)).toBe(false);
    expect(await other.has(digestOf("a layer"))).toBe(true);
  });
});
