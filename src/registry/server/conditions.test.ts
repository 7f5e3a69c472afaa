import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { mediaTypes } from "../../image/index.ts";
import { type Served, served } from "./served.contract.ts";

const body = Buffer.from("0123456789");
const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;

async function withBlob(): Promise<Served> {
  const server = await served();
  const path = `/v2/a/blobs/uploads/?digest=${digest}`;
  expect((await fetch(server.origin + path, { method: "POST", body })).status).toBe(201);
  return server;
}

// RFC 9110, sections 13.1.2 and 13.1.5.
it.each([
  [{ "if-none-match": `"${digest}"` }, 304],
  [{ "if-none-match": `"a", W/"${digest}"` }, 304],
  [{ "if-none-match": "*" }, 304],
  [{ "if-none-match": '"a"' }, 200],
  [{ "if-none-match": digest }, 200],
  [{ "if-none-match": `"${digest}x"` }, 200],
  [{ range: "bytes=1-2", "if-range": `"${digest}"` }, 206],
  [{ range: "bytes=1-2", "if-range": '"a"' }, 200],
  [{ range: "bytes=1-2", "if-range": `W/"${digest}"` }, 200],
  [{ range: "bytes=1-2", "if-range": "Sat, 21 Nov 2026 00:00:00 GMT" }, 200],
  [{ range: "bytes=1-2", "if-none-match": `"${digest}"` }, 304],
])("%j is answered with %i", async (headers, status) => {
  const server = await withBlob();
  for (const method of ["GET", "HEAD"]) {
    const answer = await fetch(`${server.origin}/v2/a/blobs/${digest}`, { method, headers });
    expect(answer.status).toBe(status);
    expect(answer.headers.get("etag")).toBe(`"${digest}"`);
    const text = await answer.text();
    expect(text).toBe(method === "HEAD" || status === 304 ? "" : status === 206 ? "12" : "0123456789");
  }
});

it("says what is possible where something is not", async () => {
  const { origin } = await withBlob();
  const asked: [string, string, string][] = [
    ["POST", "/v2/", "GET, HEAD"],
    ["PUT", "/v2/_catalog", "GET, HEAD"],
    ["DELETE", "/v2/a/tags/list", "GET, HEAD"],
    ["POST", "/v2/a/manifests/1", "GET, HEAD, PUT, DELETE"],
    ["PATCH", `/v2/a/blobs/${digest}`, "GET, HEAD, DELETE"],
    ["GET", "/v2/a/blobs/uploads/", "POST"],
    ["POST", `/v2/a/blobs/uploads/${"0".repeat(32)}`, "GET, HEAD, PATCH, PUT, DELETE"],
    ["POST", `/v2/a/referrers/${digest}`, "GET, HEAD"],
  ];
  for (const [method, path, allow] of asked) {
    const answer = await fetch(origin + path, { method });
    expect([method, path, answer.status, answer.headers.get("allow")]).toEqual([method, path, 405, allow]);
    expect(await answer.json()).toMatchObject({ errors: [{ code: "UNSUPPORTED" }] });
  }
});

it("keeps a manifest that an index of its repository names, until the index is deleted", async () => {
  const { origin } = await withBlob();
  const put = async (type: string, document: object): Promise<string> => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, ...document }));
    const of = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const headers = { "content-type": type };
    const path = `${origin}/v2/a/manifests/${of}`;
    expect((await fetch(path, { method: "PUT", headers, body: bytes })).status).toBe(201);
    return of;
  };
  const config = { mediaType: "a/b", digest, size: body.length };
  const manifest = await put(mediaTypes.manifest, { config, layers: [config] });
  const described = await fetch(`${origin}/v2/a/manifests/${manifest}`, { method: "HEAD" });
  const size = Number(described.headers.get("content-length"));
  const index = await put(mediaTypes.index, {
    manifests: [{ mediaType: mediaTypes.manifest, digest: manifest, size }],
  });
  const remove = async (path: string): Promise<unknown> => {
    const answer = await fetch(`${origin}/v2/a/${path}`, { method: "DELETE" });
    return [answer.status, answer.headers.get("allow")];
  };
  // RFC 9110, section 15.5.6: what is possible is to be told here as well.
  expect(await remove(`manifests/${manifest}`)).toEqual([405, "GET, HEAD, PUT"]);
  expect(await remove(`blobs/${digest}`)).toEqual([405, "GET, HEAD"]);
  expect(await remove(`manifests/${index}`)).toEqual([202, null]);
  expect(await remove(`manifests/${manifest}`)).toEqual([202, null]);
});

it("looks through no repository for a manifest whose bytes are nowhere", async () => {
  const { origin, store } = await withBlob();
  const list = store.list.bind(store);
  let asked = 0;
  store.list = () => {
    asked += 1;
    return list();
  };
  const status = async (of: string): Promise<number> =>
    (await fetch(`${origin}/v2/a/manifests/${of}`, { method: "HEAD" })).status;
  expect(await status(`sha256:${"0".repeat(64)}`)).toBe(404);
  const forAnswer = asked;
  // A blob that is here might be a manifest.
  expect(await status(digest)).toBe(404);
  expect(asked - forAnswer).toBeGreaterThan(forAnswer);
});
