import { randomBytes } from "node:crypto";
import { type Algorithm, type Dataset, type Described, digestOf, types } from "./data.ts";
import type { Registry } from "./registry.ts";
import {
  chunked,
  mounted,
  notMounted,
  postAndPut,
  postAndPutOf,
  postOnly,
  streamed,
  type Upload,
} from "./uploads.ts";

// What the distribution-spec's conformance suite looks at, one check for each thing that can be right or wrong.

/** Something that was looked at, and what was wrong with it. */
export interface Checked {
  readonly what: string;
  readonly wrong?: string;
}

export interface Target {
  readonly registry: Registry;
  readonly repository: string;
  /** Another one, to mount from. */
  readonly other: string;
}

const accept = { accept: `${types.index}, ${types.manifest}` };
const gone = 404;

/** Collects checks: each one goes on where another one failed. */
export class Checks {
  readonly all: Checked[] = [];

  async look(what: string, act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      this.all.push({ what });
      return true;
    } catch (error) {
      this.all.push({ what, wrong: error instanceof Error ? error.message : String(error) });
      return false;
    }
  }

  get wrong(): string[] {
    return this.all.flatMap(({ what, wrong }) => (wrong === undefined ? [] : [`${what}: ${wrong}`]));
  }
}

/** Before anything was pushed. */
export async function checkEmpty(checks: Checks, { registry, repository }: Target): Promise<void> {
  const digest = digestOf(randomBytes(9));
  await checks.look("the base", () => registry.ask("GET", "/v2/", { status: 200 }));
  await checks.look("tags of an empty repository", () =>
    registry.ask("GET", `/v2/${repository}/tags/list`, { status: [200, 404] }),
  );
  await checks.look("referrers in an empty repository", () => referrersOf(registry, repository, digest));
}

/** Blobs of one algorithm: every way in, every way out. */
export async function checkBlobs(checks: Checks, target: Target, algorithm: Algorithm): Promise<void> {
  const { registry, repository, other } = target;
  const upload = (bytes: Buffer, more: Partial<Upload> = {}): Upload => ({
    ...{ registry, repository, bytes, digest: digestOf(bytes, algorithm) },
    ...more,
  });
  const small = (): Upload => upload(randomBytes(512));
  const large = (): Upload => upload(randomBytes(3 * 1024 - 5));
  await checks.look("a blob that is not there", () =>
    registry.ask("GET", blobAt(repository, digestOf(randomBytes(9), algorithm)), { status: gone }),
  );
  const size = 1024;
  const ways: readonly [string, Upload, (upload: Upload) => Promise<void>][] = [
    ["one POST", small(), postOnly],
    ["POST and PUT", small(), postAndPut],
    ["POST for an algorithm and PUT", small(), (one) => postAndPutOf(algorithm, one)],
    ["one chunk", small(), (one) => chunked(one, { size })],
    ["a stream", small(), streamed],
    ["a mount that cannot be", small(), (one) => notMounted(one, other)],
    ["chunks", large(), (one) => chunked(one, { size })],
    ["chunks and a PUT", large(), (one) => chunked(one, { size, putLast: true })],
    ["chunks out of order", large(), (one) => chunked(one, { size, outOfOrder: true })],
    [
      "chunks out of order and a PUT",
      large(),
      (one) => chunked(one, { size, putLast: true, outOfOrder: true }),
    ],
    ["nothing", upload(Buffer.alloc(0)), postAndPut],
    ["{}", upload(Buffer.from("{}")), postAndPut],
  ];
  for (const [name, one, push] of ways) {
    await checks.look(`${algorithm}, ${name}`, () => push(one));
    await checkBlob(checks, target, one.digest, one.bytes);
    await checkBlobGone(checks, registry, repository, one.digest);
  }
  for (const from of [other, undefined]) {
    const one = small();
    await checks.look("pushed elsewhere", () => postAndPut({ ...one, repository: other }));
    await checks.look(`${algorithm}, a mount from ${from ?? "anywhere"}`, () => mounted(one, from));
    await checkBlob(checks, target, one.digest, one.bytes);
    for (const place of [repository, other]) await checkBlobGone(checks, registry, place, one.digest);
  }
  await checkRanges(checks, target, large());
  const bad = (): Upload =>
    upload(randomBytes(3000), { digest: digestOf(randomBytes(9), algorithm), spoilt: true });
  const spoilt: readonly [string, (upload: Upload) => Promise<void>][] = [
    ["one POST", postOnly],
    ["POST and PUT", postAndPut],
    ["chunks", (one) => chunked(one, { size })],
    ["chunks and a PUT", (one) => chunked(one, { size, putLast: true })],
    ["a stream", streamed],
  ];
  for (const [name, push] of spoilt)
    await checks.look(`${algorithm}, other bytes by ${name}`, () => push(bad()));
}

async function checkRanges(checks: Checks, { registry, repository }: Target, one: Upload): Promise<void> {
  await checks.look("a blob to take parts of", () => postAndPut(one));
  const { bytes, digest } = one;
  const { length } = bytes;
  const parts: readonly [string, number, number][] = [
    ["bytes=500-1499", 500, 1500],
    ["bytes=500-", 500, length],
    ["bytes=-500", length - 500, length],
    ["bytes=2000-5000", 2000, length],
  ];
  for (const [range, start, end] of parts) {
    const headers = {
      "content-range": `bytes ${start}-${end - 1}/${length}`,
      "content-length": String(end - start),
    };
    const expected = { status: 206, headers, body: bytes.subarray(start, end) };
    await checks.look(range, () =>
      registry.ask("GET", blobAt(repository, digest), expected, { headers: { range } }),
    );
  }
  for (const range of ["bytes=500-0", "bytes=5000-10000"]) {
    const expected = { status: 416 };
    await checks.look(range, () =>
      registry.ask("GET", blobAt(repository, digest), expected, { headers: { range } }),
    );
  }
  await checkBlobGone(checks, registry, repository, digest);
}

/** Pushes a dataset, looks at it from every side, and deletes it. */
export async function checkDataset(checks: Checks, target: Target, data: Dataset): Promise<void> {
  const { registry, repository } = target;
  for (const [digest, bytes] of data.blobs) {
    await checks.look("push of a blob", () => postAndPut({ registry, repository, digest, bytes }));
  }
  const pushed = await pushManifests(checks, target, data);
  await checks.look("tags", () => checkTags(registry, repository, [...data.tags.keys()]));
  for (const method of ["HEAD", "GET"]) {
    for (const [tag, digest] of data.tags) {
      await checks.look(`${method} by tag`, () => pull(target, method, tag, digest, data));
    }
    if (data.spoilt) continue;
    for (const digest of data.manifests.keys()) {
      await checks.look(`${method} by digest`, () => pull(target, method, digest, digest, data));
    }
  }
  for (const [digest, bytes] of data.blobs) await checkBlob(checks, target, digest, bytes);
  for (const [subject, referrers] of data.referrers) {
    await checks.look("referrers", () => checkReferrers(registry, repository, subject, referrers));
  }
  for (const reference of [...pushed, ...[...data.manifests.keys()].reverse()]) {
    const path = `/v2/${repository}/manifests/${reference}`;
    await checks.look(`DELETE by ${reference.includes(":") ? "digest" : "tag"}`, async () => {
      await registry.ask("DELETE", path, { status: data.spoilt ? gone : 202 });
      await registry.ask("HEAD", path, { status: gone }, { headers: accept });
    });
  }
  for (const digest of data.blobs.keys()) await checkBlobGone(checks, registry, repository, digest);
}

/** @returns the tags that are there now */
async function pushManifests(
  checks: Checks,
  { registry, repository }: Target,
  data: Dataset,
): Promise<string[]> {
  const tagged: string[] = [];
  const put = async (reference: string, digest: string, tags: readonly string[] = []): Promise<void> => {
    const { bytes, mediaType } = data.manifests.get(digest) ?? { bytes: Buffer.alloc(0), mediaType: "" };
    const query = tags.map((tag, at) => `${at === 0 ? "?" : "&"}tag=${tag}`).join("");
    const { subject } = JSON.parse(bytes.toString()) as { subject?: Described };
    const headers = {
      "docker-content-digest": digest,
      ...(subject === undefined ? {} : { "oci-subject": subject.digest }),
      ...(tags.length === 0 ? {} : { "oci-tag": tags.join(", ") }),
    };
    const expected = data.spoilt ? { status: 400 } : { status: 201, headers };
    const asked = { body: bytes, headers: { "content-type": mediaType } };
    const answered = await registry.ask(
      "PUT",
      `/v2/${repository}/manifests/${reference}${query}`,
      expected,
      asked,
    );
    if (data.spoilt) return;
    const there = { status: 200, body: bytes, headers: { "content-type": mediaType } };
    await registry.ask("GET", registry.location(answered), there, { headers: accept });
  };
  for (const digest of data.manifests.keys()) {
    const tags = data.tagParameters
      ? [...data.tags].filter(([, of]) => of === digest).map(([tag]) => tag)
      : [];
    if (await checks.look("push by digest", () => put(digest, digest, tags))) tagged.push(...tags);
  }
  for (const [tag, digest] of data.tagParameters ? [] : data.tags) {
    if (await checks.look("push by tag", () => put(tag, digest))) tagged.push(tag);
  }
  return tagged;
}

async function pull(
  { registry, repository }: Target,
  method: string,
  reference: string,
  digest: string,
  data: Dataset,
): Promise<void> {
  const { bytes = Buffer.alloc(0), mediaType = "" } = data.manifests.get(digest) ?? {};
  const headers = {
    ...{ "content-type": mediaType, "content-length": String(bytes.length), "docker-content-digest": digest },
  };
  const body = method === "HEAD" ? Buffer.alloc(0) : bytes;
  const path = `/v2/${repository}/manifests/${reference}`;
  await registry.ask(method, path, { status: 200, headers, body }, { headers: accept });
}

async function checkTags(registry: Registry, repository: string, wanted: readonly string[]): Promise<void> {
  const list = async (query = ""): Promise<string[]> => {
    const path = `/v2/${repository}/tags/list${query}`;
    const { status, body } = await registry.ask("GET", path, { status: [200, 404] });
    return status === 404 ? [] : ((JSON.parse(body.toString()) as { tags: string[] | null }).tags ?? []);
  };
  const all = await list();
  const missing = wanted.filter((tag) => !all.includes(tag));
  if (missing.length > 0) throw new Error(`the tags ${missing.join(" ")} are missing`);
  if (all.length < 2) return;
  const sorted = [...all].sort();
  const middle = Math.floor(sorted.length / 2);
  const after = await list(`?last=${sorted[middle - 1]}`);
  if (String(after.sort()) !== String(sorted.slice(middle)))
    throw new Error(`after ${sorted[middle - 1]}: ${after}`);
}

async function checkReferrers(
  registry: Registry,
  repository: string,
  subject: string,
  wanted: readonly Described[],
): Promise<void> {
  mustHave(await referrersOf(registry, repository, subject), wanted);
  for (const type of new Set(wanted.map(({ artifactType }) => artifactType ?? ""))) {
    const query = `?artifactType=${encodeURIComponent(type)}`;
    const headers = { "oci-filters-applied": "artifactType" };
    const found = await referrersOf(registry, repository, subject, query, headers);
    mustHave(
      found,
      wanted.filter(({ artifactType }) => artifactType === type),
    );
    if (found.some(({ artifactType }) => artifactType !== type)) throw new Error(`not only ${type}`);
  }
}

function mustHave(found: readonly Described[], wanted: readonly Described[]): void {
  const known = found.map(sorted);
  for (const one of wanted) {
    if (!known.includes(sorted(one))) throw new Error(`${one.digest} is missing, or is described as another`);
  }
}

const sorted = ({ annotations = {}, ...rest }: Described): string =>
  JSON.stringify([Object.entries(rest).sort(), Object.entries(annotations).sort()]);

async function referrersOf(
  registry: Registry,
  repository: string,
  subject: string,
  query = "",
  headers: Readonly<Record<string, string>> = {},
): Promise<readonly Described[]> {
  const expected = { status: 200, headers: { "content-type": types.index, ...headers } };
  const { body } = await registry.ask("GET", `/v2/${repository}/referrers/${subject}${query}`, expected);
  const { schemaVersion, mediaType, manifests } = JSON.parse(body.toString()) as {
    schemaVersion: number;
    mediaType: string;
    manifests: Described[];
  };
  if (schemaVersion !== 2 || mediaType !== types.index) throw new Error("this is no OCI index");
  return manifests;
}

async function checkBlob(
  checks: Checks,
  { registry, repository }: Target,
  digest: string,
  bytes: Buffer,
): Promise<void> {
  const headers = { "content-length": String(bytes.length), "docker-content-digest": digest };
  const expected = { status: 200, headers };
  const nothing = Buffer.alloc(0);
  await checks.look("HEAD of a blob", () =>
    registry.ask("HEAD", blobAt(repository, digest), { ...expected, body: nothing }),
  );
  await checks.look("GET of a blob", () =>
    registry.ask("GET", blobAt(repository, digest), { ...expected, body: bytes }),
  );
}

async function checkBlobGone(
  checks: Checks,
  registry: Registry,
  repository: string,
  digest: string,
): Promise<void> {
  await checks.look("DELETE of a blob", async () => {
    await registry.ask("DELETE", blobAt(repository, digest), { status: [202, 404] });
    await registry.ask("HEAD", blobAt(repository, digest), { status: gone });
  });
}

/** Manifests that are not there, and digests that are none. */
export async function checkManifestErrors(checks: Checks, { registry, repository }: Target): Promise<void> {
  const at = (reference: string): string => `/v2/${repository}/manifests/${reference}`;
  for (const reference of [digestOf(randomBytes(9)), `missing-${randomBytes(6).toString("hex")}`]) {
    await checks.look("a manifest that is not there", () =>
      registry.ask("GET", at(reference), { status: gone }, { headers: accept }),
    );
  }
  const body = Buffer.from("{}");
  const headers = { "content-type": types.manifest };
  await checks.look("PUT under a digest that is none", () =>
    registry.ask("PUT", at("sha256:baddigest"), { status: 400 }, { body, headers }),
  );
  await checks.look("GET of a digest that is none", () =>
    registry.ask("GET", at("sha256:baddigest"), { status: [400, 404] }),
  );
}

const blobAt = (repository: string, digest: string): string => `/v2/${repository}/blobs/${digest}`;
