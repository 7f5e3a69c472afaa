import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Descriptor, hostPlatform, mediaTypes } from "../src/image/index.ts";
import { canonicalJson, quietWork, readContent, sha256 } from "../src/io/index.ts";
import { openClient, pushImage } from "../src/registry/index.ts";
import { openStore, type Store } from "../src/store/index.ts";
import { sampleImage, sampleIndex } from "../src/store/sample-image.contract.ts";
import { type Finished, temporary, whittle } from "./program.ts";
import { dockerRegistry, type RegistryProcess } from "./registry-servers.ts";

// What names lead to, by tag and by digest, and what is no image of a container, at a real registry.

let place = "";
let registry: RegistryProcess;
let image: Descriptor;
let other: Descriptor;
let artifact: Descriptor;

const env = (): NodeJS.ProcessEnv => ({ ...process.env, HOME: place });
const run = (store: string, ...words: string[]): Promise<Finished> =>
  whittle(join(place, store), words, { env: env() });

async function push(store: Store, descriptor: Descriptor, repository: string, tag: string): Promise<void> {
  const client = openClient({ environment: env() });
  const session = await client.session(registry.host);
  await pushImage({ session, repository, tag, source: store, descriptor, work: quietWork });
}

/** What oras pushes: an empty configuration, an empty file and one of a byte. */
async function writeArtifactInto(store: Store): Promise<Descriptor> {
  const add = async (bytes: Buffer, mediaType: string): Promise<Descriptor> => {
    const about = { digest: sha256(bytes), size: bytes.length };
    await store.add(
      (async function* () {
        yield bytes;
      })(),
      about,
    );
    return { mediaType, ...about };
  };
  const config = await add(Buffer.from("{}"), mediaTypes.empty);
  const layers = [await add(Buffer.alloc(0), "a/b"), await add(Buffer.from("x"), "a/b")];
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, artifactType: "a/b", config, layers };
  return add(Buffer.from(canonicalJson(manifest)), mediaTypes.manifest);
}

beforeAll(async () => {
  place = temporary();
  registry = await dockerRegistry(join(place, "registry"));
  const store = await openStore(join(place, "source"), { create: true });
  image = await sampleImage(store);
  other = await sampleIndex(store, "i");
  artifact = await writeArtifactInto(store);
  await push(store, image, "team/api", "latest");
  await push(store, other, "team/api", "several");
  await push(store, artifact, "team/data", "1");
});

afterAll(async () => {
  await registry.stop();
  rmSync(place, { recursive: true, force: true });
});

it("takes no tag away for what was asked for by digest", async () => {
  const name = `${registry.host}/team/api`;
  await run("digests", "pull", "--all-platforms", name);
  const pulled = await run(
    "digests",
    "pull",
    "--all-platforms",
    "--format",
    "json",
    `${name}@${other.digest}`,
  );
  expect(JSON.parse(pulled.stdout)).toEqual([{ reference: `${name}@${other.digest}`, digest: other.digest }]);
  const listed = await run("digests", "images", "--format", "json");
  expect(JSON.parse(listed.stdout)).toMatchObject([{ reference: `${name}:latest`, digest: image.digest }]);
  expect((await run("digests", "inspect", `${name}@${other.digest}`)).status).toBe(0);
  const removed = await run("digests", "rmi", "--prune", `${name}@${other.digest}`);
  expect([removed.status, removed.stdout]).toEqual([0, expect.stringContaining(`@${other.digest}`)]);
  expect((await run("digests", "inspect", `${name}@${other.digest}`)).status).not.toBe(0);
});

it("pushes by digest without a tag, and nothing under the digest of something else", async () => {
  const from = `${registry.host}/team/api`;
  await run("pushes", "copy", `docker://${from}:latest`, "api:1");
  const target = `${registry.host}/untagged/api`;
  expect((await run("pushes", "push", "api:1", `${target}@${image.digest}`)).status).toBe(0);
  const tags = await run("pushes", "tags", target);
  expect([tags.status, tags.stdout]).toEqual([2, ""]);
  for (const words of [
    ["push", "api:1", `${target}@${other.digest}`],
    ["copy", "api:1", `docker://${target}@${other.digest}`],
  ]) {
    const { status, stderr } = await run("pushes", ...words);
    expect([status, stderr]).toEqual([
      4,
      expect.stringContaining(`the image has the digest ${image.digest}`),
    ]);
  }
});

it("pulls, lists and copies artifacts, which are for no platform, and says that they are no image", async () => {
  const name = `${registry.host}/team/data:1`;
  expect(await run("artifacts", "pull", name)).toMatchObject({ status: 0, stdout: `${artifact.digest}\n` });
  const listed = await run("artifacts", "images", "--format", "json");
  expect(JSON.parse(listed.stdout)).toMatchObject([{ reference: name, platforms: [] }]);
  expect((await run("artifacts", "push", name, `${registry.host}/other/data:2`)).status).toBe(0);
  for (const words of [
    ["run", name],
    ["copy", name, `docker-archive:${join(place, "artifact.tar")}`],
  ]) {
    const { status, stderr } = await run("artifacts", ...words);
    expect([status, stderr]).toEqual([4, expect.stringMatching(/an artifact,? and no image of a container/)]);
  }
});

it("gives no name to an image whose manifest says a wrong size of what is there already", async () => {
  const source = await openStore(join(place, "source"));
  const manifest = JSON.parse((await readContent(await source.blob(image))).toString());
  manifest.layers[0].size += 5;
  const body = JSON.stringify(manifest);
  const address = `http://${registry.host}/v2/team/api/manifests/wrong`;
  const headers = { "content-type": mediaTypes.manifest };
  expect((await fetch(address, { method: "PUT", headers, body })).status).toBe(201);
  await run("sizes", "pull", `${registry.host}/team/api:latest`);
  const { status, stderr } = await run("sizes", "pull", `${registry.host}/team/api:wrong`);
  expect([status, stderr]).toEqual([
    4,
    expect.stringMatching(/has \d+ bytes, and a document of it says \d+/),
  ]);
  expect((await run("sizes", "store", "verify")).status).toBe(0);
});

it("takes this machine's platform of several into a form that holds one", async () => {
  const archive = `docker-archive:${join(place, "one.tar")}`;
  const { status, stderr } = await run("one", "copy", `docker://${registry.host}/team/api:several`, archive);
  expect([status, stderr]).toEqual([0, expect.any(String)]);
  const inspected = await run("one", "copy", archive, "one:1");
  expect(inspected.status).toBe(0);
  const listed = await run("one", "images", "--format", "json");
  const { os, architecture } = hostPlatform();
  expect(JSON.parse(listed.stdout)).toMatchObject([{ platforms: [`${os}/${architecture}`] }]);
});

it.each([
  [
    "is cut short",
    (tar: Buffer) => tar.subarray(0, 5000),
    /^whittle: Cannot read \S+\.tar at byte \d+: it ends/m,
  ],
  [
    "is compressed and cut short",
    (tar: Buffer) => gzipSync(tar).subarray(0, 500),
    /Cannot read the gzip data of \S+\.tar: /,
  ],
  ["is none", () => Buffer.from("junk"), /Cannot read \S+\.tar at byte 4: it ends early/],
])("names the archive that %s", async (_what, spoilt, found) => {
  const file = join(place, "spoilt.tar");
  await run("spoilt", "copy", `docker://${registry.host}/team/api:latest`, `docker-archive:${file}`);
  writeFileSync(file, spoilt(readFileSync(file)));
  const { status, stderr } = await run("spoilt", "copy", `docker-archive:${file}`, "spoilt:1");
  expect([status, stderr]).toEqual([4, expect.stringMatching(found)]);
  expect((await run("spoilt", "images", "--format", "json")).stdout).toBe("[]\n");
});

it("says in one line that podman has no such image", async () => {
  const { status, stderr } = await run("none", "copy", "containers-storage:localhost/no/such:1", "none:1");
  expect([status, stderr]).toEqual([3, expect.stringMatching(/^whittle: .*localhost\/no\/such:1.*\n$/)]);
  expect(stderr).not.toMatch(/level=|msg=/);
});
