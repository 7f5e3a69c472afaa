import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Answered, ask } from "./nginx-server.ts";
import { temporary } from "./program.ts";
import { dockerRegistry, type RegistryProcess, whittleServe } from "./registry-servers.ts";

// The workflows of the distribution-spec 1.1's conformance suite, asked of our server and of Debian's.

const types = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
  empty: "application/vnd.oci.empty.v1+json",
};

interface Blob {
  readonly bytes: Buffer;
  readonly digest: string;
}

const blobOf = (text: string): Blob => {
  const bytes = Buffer.from(text);
  return { bytes, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}` };
};
const descriptor = (mediaType: string, { bytes, digest }: Blob, more: object = {}): object => ({
  ...{ mediaType, digest, size: bytes.length },
  ...more,
});

const config = blobOf('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}');
const layer = blobOf("a layer of which nobody reads what is in it");
const emptyJson = blobOf("{}");
const manifest = blobOf(
  JSON.stringify({
    ...{ schemaVersion: 2, mediaType: types.manifest, config: descriptor(types.config, config) },
    layers: [descriptor(types.layer, layer)],
  }),
);
const index = blobOf(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: types.index,
    manifests: [descriptor(types.manifest, manifest)],
  }),
);
const referrer = (artifactType: string, subject: Blob = manifest): Blob =>
  blobOf(
    JSON.stringify({
      ...{ schemaVersion: 2, mediaType: types.manifest, artifactType },
      ...{ config: descriptor(types.empty, emptyJson), layers: [descriptor(types.empty, emptyJson)] },
      ...{ subject: descriptor(types.manifest, subject), annotations: { of: artifactType } },
    }),
  );
const signature = referrer("application/vnd.example.signature");
const bill = referrer("application/vnd.example.sbom");
const indexReferrer = blobOf(
  JSON.stringify({
    ...{ schemaVersion: 2, mediaType: types.index, artifactType: "application/vnd.example.index" },
    ...{ manifests: [descriptor(types.manifest, manifest)], subject: descriptor(types.manifest, manifest) },
  }),
);
const missing = `sha256:${"0".repeat(64)}`;

/** A registry as its client sees it. */
class Api {
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  ask(method: string, path: string, body?: Buffer, headers: Record<string, string> = {}): Promise<Answered> {
    const target = path.startsWith("/") ? path : `/v2/${path}`;
    return ask(
      this.#port,
      method,
      target,
      { ...(body === undefined ? {} : lengthOf(body)), ...headers },
      body,
    );
  }

  async status(
    method: string,
    path: string,
    body?: Buffer,
    headers?: Record<string, string>,
  ): Promise<number> {
    return (await this.ask(method, path, body, headers)).status;
  }

  async begin(repository: string, query = ""): Promise<Answered & { location: string }> {
    const begun = await this.ask("POST", `${repository}/blobs/uploads/${query}`, undefined, {
      "content-length": "0",
    });
    return { ...begun, location: locationOf(begun) };
  }

  async blob(repository: string, { bytes, digest }: Blob): Promise<number> {
    const { location } = await this.begin(repository);
    return this.status("PUT", withDigest(location, digest), bytes, {
      "content-type": "application/octet-stream",
    });
  }

  put(repository: string, reference: string, { bytes }: Blob, type = types.manifest): Promise<Answered> {
    return this.ask("PUT", `${repository}/manifests/${reference}`, bytes, { "content-type": type });
  }

  async image(repository: string, ...tags: string[]): Promise<void> {
    for (const blob of [config, layer, emptyJson]) expect(await this.blob(repository, blob)).toBe(201);
    for (const tag of tags) expect((await this.put(repository, tag, manifest)).status).toBe(201);
  }

  async json(path: string): Promise<{ status: number; headers: Answered["headers"]; document: unknown }> {
    const { status, headers, body } = await this.ask("GET", path);
    return { status, headers, document: JSON.parse(body.toString()) as unknown };
  }
}

const lengthOf = (body: Buffer): Record<string, string> => ({ "content-length": String(body.length) });
const withDigest = (location: string, digest: string): string =>
  `${location}${location.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`;

function locationOf({ headers }: Answered): string {
  const url = new URL(headers.location ?? "/nowhere", "http://registry");
  return url.pathname + url.search;
}

interface Workflow {
  readonly name: string;
  /** What is done, and what comes of it. */
  act(api: Api): Promise<unknown>;
  readonly expected: unknown;
  /** Where docker-registry 2.8, which knows the distribution-spec 1.0, answers something else. */
  readonly docker?: unknown;
}

const pulled = (api: Api, path: string): Promise<number> =>
  api.status("GET", path, undefined, { accept: types.manifest });
const unsorted: unknown = expect.arrayContaining(["1", "2", "a", "b"]);
const patch = { "content-type": "application/octet-stream" };

const workflows: readonly Workflow[] = [
  // Pull.
  {
    name: "the base says that this is a registry",
    act: (api) => api.status("GET", "/v2/"),
    expected: 200,
  },
  {
    name: "a blob is pulled by its digest",
    act: async (api) => {
      const { status, headers, body } = await api.ask("GET", `base/blobs/${layer.digest}`);
      return [status, headers["docker-content-digest"], headers["content-length"], body.equals(layer.bytes)];
    },
    expected: [200, layer.digest, String(layer.bytes.length), true],
  },
  {
    name: "HEAD of a blob has the length and no bytes",
    act: async (api) => {
      const { status, headers, body } = await api.ask("HEAD", `base/blobs/${layer.digest}`);
      return [status, headers["content-length"], body.length];
    },
    expected: [200, String(layer.bytes.length), 0],
  },
  {
    name: "a part of a blob is pulled",
    act: async (api) => {
      const { status, headers, body } = await api.ask("GET", `base/blobs/${layer.digest}`, undefined, {
        range: "bytes=2-6",
      });
      return [status, headers["content-range"], body.toString()];
    },
    expected: [206, `bytes 2-6/${layer.bytes.length}`, "layer"],
  },
  {
    name: "a part that a blob does not have is refused",
    act: (api) =>
      api
        .status("GET", `base/blobs/${layer.digest}`, undefined, { range: "bytes=1000-" })
        .catch(() => "broken off"),
    expected: 416,
    // It answers 416 with the whole blob's length and no bytes.
    docker: "broken off",
  },
  {
    name: "what is not there is said not to be there",
    act: async (api) => [
      await api.status("GET", `base/blobs/${missing}`),
      await api.status("HEAD", `base/blobs/${missing}`),
      await api.status("GET", `base/manifests/${missing}`),
      await api.status("HEAD", `base/manifests/${missing}`),
      await api.status("GET", "base/manifests/nothing"),
      await api.status("GET", "nobody/tags/list"),
    ],
    expected: [404, 404, 404, 404, 404, 404],
  },
  {
    name: "errors are told in JSON",
    act: async (api) => {
      const { document } = await api.json("base/manifests/nothing");
      return (document as { errors: { code: string }[] }).errors.map(({ code }) => code);
    },
    expected: ["MANIFEST_UNKNOWN"],
  },
  {
    name: "a manifest is pulled by tag and by digest, with GET and HEAD",
    act: async (api) => {
      const accept = { accept: `${types.manifest}, ${types.index}` };
      const seen = [];
      for (const reference of ["1", manifest.digest]) {
        for (const method of ["GET", "HEAD"]) {
          const { status, headers, body } = await api.ask(
            method,
            `base/manifests/${reference}`,
            undefined,
            accept,
          );
          const whole = method === "HEAD" ? body.length === 0 : body.equals(manifest.bytes);
          seen.push([status, headers["content-type"], headers["docker-content-digest"], whole]);
        }
      }
      return seen;
    },
    expected: Array(4).fill([200, types.manifest, manifest.digest, true]),
  },
  {
    name: "who has it already is told that nothing changed",
    act: async (api) => {
      const conditions = { "if-none-match": `"${manifest.digest}"`, accept: types.manifest };
      return api.status("GET", "base/manifests/1", undefined, conditions);
    },
    expected: 304,
  },
  // Push.
  {
    name: "a blob is pushed by POST and PUT",
    act: async (api) => {
      const blob = blobOf("post and put");
      const begun = await api.begin("push");
      const put = await api.ask("PUT", withDigest(begun.location, blob.digest), blob.bytes, patch);
      return [begun.status, put.status, await api.status("HEAD", locationOf(put))];
    },
    expected: [202, 201, 200],
  },
  {
    name: "a blob is pushed by a single POST",
    act: async (api) => {
      const blob = blobOf("a single post");
      const posted = await api.ask("POST", `push/blobs/uploads/?digest=${blob.digest}`, blob.bytes, patch);
      return [posted.status, await api.status("HEAD", `push/blobs/${blob.digest}`)];
    },
    expected: [201, 200],
    // It begins an upload, as the specification allows.
    docker: [202, 404],
  },
  {
    name: "a blob is pushed in chunks, and the upload can be asked where it stands",
    act: async (api) => {
      const blob = blobOf("first second third");
      const begun = await api.begin("push");
      const chunk = (at: number, end: number) => blob.bytes.subarray(at, end);
      const range = (at: number, end: number) => ({ ...patch, "content-range": `${at}-${end - 1}` });
      const first = await api.ask("PATCH", begun.location, chunk(0, 6), range(0, 6));
      const stands = await api.ask("GET", locationOf(first));
      const second = await api.ask("PATCH", locationOf(stands), chunk(6, 13), range(6, 13));
      const put = await api.ask(
        "PUT",
        withDigest(locationOf(second), blob.digest),
        chunk(13, 18),
        range(13, 18),
      );
      return [
        [first.status, first.headers.range],
        [stands.status, stands.headers.range],
        [second.status, second.headers.range],
        [put.status, await api.status("HEAD", `push/blobs/${blob.digest}`)],
      ];
    },
    expected: [
      [202, "0-5"],
      [204, "0-5"],
      [202, "0-12"],
      [201, 200],
    ],
  },
  {
    name: "a blob is pushed by one PATCH without a range",
    act: async (api) => {
      const blob = blobOf("streamed");
      const begun = await api.begin("push");
      const sent = await api.ask("PATCH", begun.location, blob.bytes, patch);
      const none = { "content-length": "0" };
      return [
        sent.status,
        await api.status("PUT", withDigest(locationOf(sent), blob.digest), undefined, none),
      ];
    },
    expected: [202, 201],
  },
  {
    name: "a chunk out of order is refused, and the right one taken after it",
    act: async (api) => {
      const blob = blobOf("in order");
      const begun = await api.begin("push");
      const range = (at: number, end: number) => ({ ...patch, "content-range": `${at}-${end - 1}` });
      const first = await api.ask("PATCH", begun.location, blob.bytes.subarray(0, 3), range(0, 3));
      const wrong = await api.status("PATCH", locationOf(first), blob.bytes.subarray(5), range(5, 8));
      const right = await api.status("PATCH", locationOf(first), blob.bytes.subarray(3), range(3, 8));
      return [first.status, wrong, right];
    },
    expected: [202, 416, 202],
    // It does not look at where a chunk begins, and gives the upload a new address.
    docker: [202, 202, 404],
  },
  {
    name: "a blob with another digest than promised is refused",
    act: async (api) => {
      const { location } = await api.begin("push");
      const put = await api.status(
        "PUT",
        withDigest(location, missing),
        Buffer.from("something else"),
        patch,
      );
      return [put, await api.status("HEAD", `push/blobs/${missing}`)];
    },
    expected: [400, 404],
  },
  {
    name: "a blob without bytes is a blob",
    act: async (api) => {
      const blob = blobOf("");
      return [await api.blob("push", blob), await api.status("GET", `push/blobs/${blob.digest}`)];
    },
    expected: [201, 200],
  },
  {
    name: "a blob of another repository is mounted",
    act: async (api) => {
      const { status } = await api.begin("mounted", `?mount=${layer.digest}&from=base`);
      return [status, await api.status("HEAD", `mounted/blobs/${layer.digest}`)];
    },
    expected: [201, 200],
  },
  {
    name: "a blob that cannot be mounted is to be uploaded",
    act: async (api) => (await api.begin("mounted", `?mount=${missing}&from=base`)).status,
    expected: 202,
  },
  {
    name: "an upload is cancelled, and is gone",
    act: async (api) => {
      const { location } = await api.begin("push");
      const none = { "content-length": "0" };
      const cancelled = await api.status("DELETE", location);
      return [cancelled, await api.status("PUT", withDigest(location, missing), undefined, none)];
    },
    expected: [204, 404],
  },
  {
    name: "a manifest is pushed by tag and by digest",
    act: async (api) => {
      await api.image("push/manifests");
      const tagged = await api.put("push/manifests", "1", manifest);
      const pinned = await api.put("push/manifests", manifest.digest, manifest);
      const headers = [tagged, pinned].map((put) => put.headers["docker-content-digest"]);
      return [tagged.status, pinned.status, headers, await pulled(api, locationOf(tagged))];
    },
    expected: [201, 201, [manifest.digest, manifest.digest], 200],
  },
  {
    name: "an index is pushed after what it names, and gives it",
    act: async (api) => {
      await api.image("push/index");
      const lost = blobOf(index.bytes.toString().replace(manifest.digest, missing));
      const early = (await api.put("push/index", "1", lost, types.index)).status;
      await api.put("push/index", manifest.digest, manifest);
      const late = (await api.put("push/index", "1", index, types.index)).status;
      const accept = { accept: types.index };
      const { headers } = await api.ask("GET", "push/index/manifests/1", undefined, accept);
      return [early < 500 && early >= 400, late, headers["content-type"]];
    },
    expected: [true, 201, types.index],
  },
  {
    name: "a manifest whose blobs are missing is refused",
    act: async (api) => {
      const lost = blobOf(manifest.bytes.toString().replace(layer.digest, missing));
      return (await api.put("base", "lost", lost)).status;
    },
    expected: 404,
    docker: 400,
  },
  {
    name: "a manifest that is none is refused",
    act: async (api) => [
      (await api.put("base", "broken", blobOf("{"))).status,
      (await api.put("base", "broken", blobOf("{}"))).status,
      (await api.put("base", missing, manifest)).status,
    ],
    expected: [400, 400, 400],
    docker: [400, 500, 400],
  },
  {
    name: "names that are none are refused",
    act: async (api) => {
      const statuses = [];
      for (const name of ["UPPER", "-a", "a..b", "a/%2e%2e/b"]) {
        const { status } = await api.ask("POST", `${name}/blobs/uploads/`, undefined, {
          "content-length": "0",
        });
        statuses.push(status >= 400 && status < 500);
      }
      return statuses;
    },
    expected: [true, true, true, true],
    // It sends clients on to the path without the dots, which is the name a/b.
    docker: [true, true, true, false],
  },
  // Content discovery.
  {
    name: "tags are listed in order",
    act: async (api) => (await api.json("base/tags/list")).document,
    expected: { name: "base", tags: ["1", "2", "a", "b"] },
    // It does not sort.
    docker: { name: "base", tags: unsorted },
  },
  {
    name: "tags are listed page after page",
    act: async (api) => {
      const pages = [];
      for (let path: string | undefined = "base/tags/list?n=3"; path !== undefined; ) {
        const { document, headers } = await api.json(path);
        pages.push((document as { tags: string[] }).tags);
        path = /<([^>]+)>; *rel="next"/.exec(String(headers["link"] ?? ""))?.[1];
      }
      return pages;
    },
    expected: [["1", "2", "a"], ["b"]],
    // It does not know pages of tags.
    docker: [unsorted],
  },
  {
    name: "tags are listed from one on",
    act: async (api) => (await api.json("base/tags/list?n=2&last=1")).document,
    expected: { name: "base", tags: ["2", "a"] },
    docker: { name: "base", tags: unsorted },
  },
  {
    name: "no tags at all are a page too",
    act: async (api) => (await api.json("base/tags/list?n=0")).document,
    expected: { name: "base", tags: [] },
    docker: { name: "base", tags: unsorted },
  },
  {
    name: "referrers are listed with type and annotations",
    act: async (api) => {
      const { status, headers, document } = await api.json(`base/referrers/${manifest.digest}`);
      const { manifests, ...rest } = document as { manifests: { digest: string }[] };
      const sorted = [...manifests].sort((a, b) => (a.digest < b.digest ? -1 : 1));
      return [status, headers["content-type"], rest, sorted];
    },
    expected: [
      200,
      types.index,
      { schemaVersion: 2, mediaType: types.index },
      [
        descriptor(types.manifest, signature, {
          artifactType: "application/vnd.example.signature",
          annotations: { of: "application/vnd.example.signature" },
        }),
        descriptor(types.manifest, bill, {
          artifactType: "application/vnd.example.sbom",
          annotations: { of: "application/vnd.example.sbom" },
        }),
        descriptor(types.index, indexReferrer, { artifactType: "application/vnd.example.index" }),
      ].sort((a, b) => ((a as { digest: string }).digest < (b as { digest: string }).digest ? -1 : 1)),
    ],
    docker: "no referrers API",
  },
  {
    name: "referrers are filtered by type, and it is said so",
    act: async (api) => {
      const type = encodeURIComponent("application/vnd.example.sbom");
      const { headers, document } = await api.json(`base/referrers/${manifest.digest}?artifactType=${type}`);
      const { manifests } = document as { manifests: { digest: string }[] };
      return [headers["oci-filters-applied"], manifests.map(({ digest }) => digest)];
    },
    expected: ["artifactType", [bill.digest]],
    docker: "no referrers API",
  },
  {
    name: "what nobody speaks of has an empty list",
    act: async (api) => {
      const { status, document } = await api.json(`base/referrers/${missing}`);
      return [status, document];
    },
    expected: [200, { schemaVersion: 2, mediaType: types.index, manifests: [] }],
    docker: "no referrers API",
  },
  {
    name: "who pushes a referrer is told that it is listed",
    act: async (api) => (await api.put("base", signature.digest, signature)).headers["oci-subject"],
    expected: manifest.digest,
    docker: undefined,
  },
  // Content management.
  {
    name: "a tag is deleted, and the image stays",
    act: async (api) => {
      await api.image("managed/tags", "1", "2");
      return [
        await api.status("DELETE", "managed/tags/manifests/1"),
        await api.status("GET", "managed/tags/manifests/1", undefined, { accept: types.manifest }),
        await api.status("HEAD", `managed/tags/manifests/${manifest.digest}`, undefined, {
          accept: types.manifest,
        }),
        (await api.json("managed/tags/tags/list")).document,
      ];
    },
    expected: [202, 404, 200, { name: "managed/tags", tags: ["2"] }],
    // It deletes by digest only.
    docker: [400, 200, 200, { name: "managed/tags", tags: expect.arrayContaining(["1", "2"]) }],
  },
  {
    name: "a manifest is deleted with its tags",
    act: async (api) => {
      await api.image("managed/manifests", "1", "2");
      return [
        await api.status("DELETE", `managed/manifests/manifests/${manifest.digest}`),
        await api.status("GET", "managed/manifests/manifests/1"),
        await api.status("GET", `managed/manifests/manifests/${manifest.digest}`),
        await api.status("DELETE", `managed/manifests/manifests/${manifest.digest}`),
        await api.status("HEAD", "base/manifests/1", undefined, { accept: types.manifest }),
      ];
    },
    expected: [202, 404, 404, 404, 200],
  },
  {
    name: "a blob that nothing needs is deleted",
    act: async (api) => {
      const blob = blobOf("nobody needs me");
      await api.blob("managed/blobs", blob);
      return [
        await api.status("DELETE", `managed/blobs/blobs/${blob.digest}`),
        await api.status("HEAD", `managed/blobs/blobs/${blob.digest}`),
        await api.status("DELETE", `managed/blobs/blobs/${blob.digest}`),
      ];
    },
    expected: [202, 404, 404],
  },
  {
    name: "a method that is not known is refused",
    act: async (api) => [
      await api.status("DELETE", "base/tags/list"),
      await api.status("POST", "base/manifests/1", Buffer.from("x")),
    ],
    expected: [405, 405],
  },
];

const servers = [
  { server: "whittle serve", start: (place: string) => whittleServe(join(place, "store")) },
  { server: "docker-registry", start: (place: string) => dockerRegistry(join(place, "debian")) },
] as const;

describe.each(servers)("$server", ({ server, start }) => {
  let place = "";
  let registry: RegistryProcess;
  let api: Api;

  beforeAll(async () => {
    place = temporary();
    registry = await start(place);
    api = new Api(registry.port);
    await api.image("base", "1", "2", "a", "b");
    for (const item of [signature, bill]) expect((await api.put("base", item.digest, item)).status).toBe(201);
    const put = await api.put("base", indexReferrer.digest, indexReferrer, types.index);
    expect(put.status).toBe(201);
  });

  afterAll(async () => {
    await registry.stop();
    rmSync(place, { recursive: true, force: true });
  });

  it.each(workflows)("$name", async (workflow) => {
    const differs = server === "docker-registry" && "docker" in workflow;
    if (differs && workflow.docker === "no referrers API") {
      expect(await api.status("GET", `base/referrers/${manifest.digest}`)).toBe(404);
      return;
    }
    expect(await workflow.act(api)).toEqual(differs ? workflow.docker : workflow.expected);
  });
});
