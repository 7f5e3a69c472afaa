import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { PrivateKey } from "openpgp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TestArchive } from "../../test/debian-archive.ts";
import {
  clearSign,
  type ReleaseParts,
  releaseText,
  sha256Hex,
  TestMirror,
} from "../../test/debian-fixture.ts";
import { type ProgressEvent, quietWork, type Work } from "../io/index.ts";
import { type ArchiveOptions, openArchive } from "./index.ts";

const inRelease = "dists/sample/InRelease";
const indexPath = "dists/sample/main/binary-amd64/Packages.gz";

let test: TestArchive;
let mirror: TestMirror;
let options: ArchiveOptions;
let secret: PrivateKey;
let release: ReleaseParts;
let packed: Buffer;

beforeEach(async () => {
  test = await TestArchive.start();
  ({ mirror, options, secret, release, packed } = test);
});

afterEach(() => test.stop());

const code = (name: string) => expect.objectContaining({ code: name });

describe("updates and security", () => {
  const updates = "dists/sample-updates/InRelease";

  it("are used where they are, and nothing is said where they are not", async () => {
    mirror.files.set(
      updates,
      Buffer.from(
        await clearSign(releaseText({ ...release, suite: "sample-updates", files: new Map() }), secret),
      ),
    );
    const archive = await openArchive(options, quietWork);
    expect(archive.suites.map(({ suite }) => suite)).toEqual(["sample", "sample-updates"]);
    expect(mirror.requests.sort()).toEqual([
      "/debian-security/dists/sample-security/InRelease",
      updates,
      inRelease,
    ]);
  });

  it("are not done without because the server fails", async () => {
    mirror.fault = (request, response) => {
      if (!request.url?.includes("sample-updates")) return false;
      response.writeHead(503).end();
      return true;
    };
    await expect(openArchive(options, quietWork)).rejects.toEqual(code("NETWORK"));
    expect((await openArchive({ ...options, updates: false }, quietWork)).suites).toHaveLength(1);
  });

  it("are left out with a warning where the mirror has another version of the index, and only then", async () => {
    const newer = Buffer.from("Package: sample\nVersion: 1.0-2\nArchitecture: amd64\n");
    const newerPacked = gzipSync(newer);
    const updated = new Map<string, Uint8Array>([
      ["main/binary-amd64/Packages", newer],
      ["main/binary-amd64/Packages.gz", newerPacked],
    ]);
    const text = releaseText({ ...release, suite: "sample-updates", files: updated });
    mirror.files.set(updates, Buffer.from(await clearSign(text, secret)));
    const path = "dists/sample-updates/main/binary-amd64/Packages.gz";
    const archive = await openArchive(options, quietWork);
    mirror.files.set(path, Buffer.from(newerPacked.toReversed()));
    await expect(archive.indexes("amd64")).rejects.toEqual(code("ARCHIVE_UNTRUSTED"));
    mirror.files.set(path, gzipSync("an older one, of another length"));
    const events: ProgressEvent[] = [];
    const work: Work = { ...quietWork, progress: (event) => events.push(event) };
    expect((await archive.indexes("amd64", work)).map(({ suite }) => suite)).toEqual(["sample"]);
    expect(events).toContainEqual({
      kind: "warning",
      text: expect.stringContaining("sample-updates/main is left out"),
    });
    // The mirror is not asked again at once, another one is.
    mirror.files.set(path, newerPacked);
    expect((await archive.indexes("amd64")).map(({ suite }) => suite)).toEqual(["sample"]);
    const other = new TestMirror();
    for (const [name, bytes] of mirror.files) other.files.set(name, bytes);
    try {
      const elsewhere = await openArchive({ ...options, mirror: await other.listen() }, quietWork);
      const found = (await elsewhere.indexes("amd64")).map(({ suite }) => suite);
      expect(found).toEqual(["sample", "sample-updates"]);
    } finally {
      await other.close();
    }
  });
});

describe("an index", () => {
  it("is fetched by its hash where the release offers that", async () => {
    await test.serve({ fields: "Acquire-By-Hash: yes" });
    const byHash = `dists/sample/main/binary-amd64/by-hash/SHA256/${sha256Hex(packed)}`;
    mirror.files.set(byHash, packed);
    mirror.files.delete(indexPath);
    await (await openArchive(options, quietWork)).indexes("amd64");
    expect(mirror.requests).toContain(byHash);
  });

  it("is fetched by its name where the hash is not served", async () => {
    await test.serve({ fields: "Acquire-By-Hash: yes" });
    expect(await (await openArchive(options, quietWork)).indexes("amd64")).toHaveLength(1);
  });

  it.each([
    [
      "bits are flipped",
      (bytes: Buffer) => Buffer.from(bytes.map((byte, at) => (at === 30 ? byte ^ 4 : byte))),
    ],
    ["it is another one of the same length", (bytes: Buffer) => Buffer.from(bytes.toReversed())],
    ["it is shorter", (bytes: Buffer) => bytes.subarray(0, -4)],
    ["it is longer", (bytes: Buffer) => Buffer.concat([bytes, Buffer.from("more")])],
  ])("is refused when %s", async (_what, damage) => {
    mirror.files.set(indexPath, damage(packed));
    const archive = await openArchive(options, quietWork);
    await expect(archive.indexes("amd64")).rejects.toEqual(code("ARCHIVE_UNTRUSTED"));
    expect(await readdir(join(options.cacheDirectory, "debian")).catch(() => [])).not.toContain("packages");
    const left = await readdir(join(options.cacheDirectory, "debian", "indexes")).catch(() => []);
    expect(left).toEqual([]);
  });
});
