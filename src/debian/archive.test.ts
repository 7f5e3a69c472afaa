import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { PrivateKey } from "openpgp";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  buildDeb,
  clearSign,
  makeKey,
  type ReleaseParts,
  recordOf,
  releaseText,
  sha256Hex,
  TestMirror,
} from "../../test/debian-fixture.ts";
import { type ProgressEvent, quietWork, type Work } from "../io/index.ts";
import { type ArchiveOptions, archiveState, openArchive } from "./index.ts";

let secret: PrivateKey;
let armoured: string;
let directory: string;
let mirror: TestMirror;
let options: ArchiveOptions;

const packages = Buffer.from("Package: sample\nVersion: 1.0-1\nArchitecture: amd64\n");
const packed = gzipSync(packages);
const files = new Map<string, Uint8Array>([
  ["main/binary-amd64/Packages", packages],
  ["main/binary-amd64/Packages.gz", packed],
]);
const release: ReleaseParts = { suite: "sample", files };
const inRelease = "dists/sample/InRelease";
const indexPath = "dists/sample/main/binary-amd64/Packages.gz";

beforeAll(async () => {
  ({ secret, armoured } = await makeKey());
});

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "whittle-archive-"));
  const keyring = join(directory, "test.asc");
  await writeFile(keyring, armoured);
  mirror = new TestMirror();
  await mirror.listen();
  mirror.files.set(inRelease, Buffer.from(await clearSign(releaseText(release), secret)));
  mirror.files.set(indexPath, packed);
  options = {
    suite: "sample",
    architectures: ["amd64"],
    mirror: mirror.url,
    keyrings: [keyring],
    cacheDirectory: join(directory, "cache"),
    environment: {},
    http: { attempts: 3, delay: 1, stall: 1500 },
  };
});

afterEach(async () => {
  await mirror.close();
  await rm(directory, { recursive: true });
});

async function serve(parts: Partial<ReleaseParts>): Promise<void> {
  mirror.files.set(inRelease, Buffer.from(await clearSign(releaseText({ ...release, ...parts }), secret)));
}

const hour = 3_600_000;
const code = (name: string) => expect.objectContaining({ code: name });

describe("a release", () => {
  it("is verified, and its index is fetched and unpacked", async () => {
    const archive = await openArchive(options, quietWork);
    expect(archive.suites.map(({ suite }) => suite)).toEqual(["sample"]);
    const [index] = await archive.indexes("amd64");
    expect(await readFile(index!.path)).toEqual(packages);
    expect(index).toMatchObject({ sha256: sha256Hex(packages), mirror: mirror.url, component: "main" });
  });

  it("is not asked for again within the hour, and its state is known without the network", async () => {
    expect(await archiveState(options)).toBeUndefined();
    const first = await openArchive(options, quietWork);
    await first.indexes("amd64");
    const asked = mirror.requests.length;
    expect(await archiveState(options)).toBe(first.digest);
    const second = await openArchive(options, quietWork);
    await second.indexes("amd64");
    expect(second.digest).toBe(first.digest);
    expect(mirror.requests.length).toBe(asked);
    expect(await archiveState({ ...options, refresh: true })).toBeUndefined();
  });

  it("is asked for conditionally when the server gave validators", async () => {
    mirror.fault = (request, response, body) => {
      if (body === undefined) return false;
      const same = request.headers["if-none-match"] === '"v1"';
      response.writeHead(same ? 304 : 200, { etag: '"v1"' }).end(same ? undefined : body);
      return true;
    };
    const first = await openArchive(options, quietWork);
    const second = await openArchive({ ...options, refresh: true }, quietWork);
    expect(second.digest).toBe(first.digest);
    expect(mirror.headers.map((headers) => headers["if-none-match"]).filter(Boolean)).toEqual(['"v1"']);
  });

  it("has a state that changes with it and not with the mirror's address", async () => {
    const first = await openArchive(options, quietWork);
    const other = { ...options, mirror: mirror.url.replace("127.0.0.1", "localhost") };
    expect((await openArchive(other, quietWork)).digest).toBe(first.digest);
    await serve({ date: new Date() });
    expect((await openArchive({ ...options, refresh: true }, quietWork)).digest).not.toBe(first.digest);
  });

  it("is used as last seen, with a warning, when the mirror is down", async () => {
    const first = await openArchive(options, quietWork);
    const state = join(options.cacheDirectory, "debian", "releases");
    for (const name of (await readdir(state)).filter((file) => file.endsWith(".json"))) {
      const known = JSON.parse(await readFile(join(state, name), "utf8"));
      await writeFile(join(state, name), JSON.stringify({ ...known, checked: Date.now() - 2 * hour }));
    }
    mirror.fault = (_request, response) => response.destroy() !== undefined;
    const events: ProgressEvent[] = [];
    const work: Work = { ...quietWork, progress: (event) => events.push(event) };
    expect((await openArchive(options, work)).digest).toBe(first.digest);
    expect(events).toContainEqual(expect.objectContaining({ kind: "warning" }));
    await expect(openArchive({ ...options, refresh: true }, quietWork)).rejects.toEqual(code("NETWORK"));
  });

  it.each([
    ["not signed", async () => releaseText(release), "ARCHIVE_UNTRUSTED"],
    [
      "signed by a stranger",
      async () => clearSign(releaseText(release), (await makeKey()).secret),
      "ARCHIVE_UNTRUSTED",
    ],
    [
      "changed after it was signed",
      async () => (await clearSign(releaseText(release), secret)).replace("Origin: Test", "Origin: Best"),
      "ARCHIVE_UNTRUSTED",
    ],
    [
      "signed in the future",
      async () => clearSign(releaseText(release), secret, new Date(Date.now() + 48 * hour)),
      "ARCHIVE_UNTRUSTED",
    ],
    [
      "dated in the future",
      async () => clearSign(releaseText({ ...release, date: new Date(Date.now() + 2 * hour) }), secret),
      "ARCHIVE_UNTRUSTED",
    ],
    [
      "that of another suite",
      async () => clearSign(releaseText({ ...release, suite: "other" }), secret),
      "ARCHIVE_UNTRUSTED",
    ],
    [
      "past its Valid-Until",
      async () =>
        clearSign(
          releaseText({
            ...release,
            date: new Date(Date.now() - 9 * hour),
            validUntil: new Date(Date.now() - hour),
          }),
          secret,
        ),
      "ARCHIVE_EXPIRED",
    ],
    [
      "without SHA256 sums",
      async () => clearSign(releaseText(release).replace("SHA256:", "MD5Sum:"), secret),
      "ARCHIVE_UNTRUSTED",
    ],
    ["no text at all", async () => "\0\0\0", "ARCHIVE_UNTRUSTED"],
  ])("is refused when it is %s", async (_what, text, expected) => {
    mirror.files.set(inRelease, Buffer.from(await text()));
    await expect(openArchive(options, quietWork)).rejects.toEqual(code(expected));
    expect(await archiveState(options)).toBeUndefined();
  });

  it("may be past its Valid-Until when the recipe says so", async () => {
    await serve({ date: new Date(Date.now() - 9 * hour), validUntil: new Date(Date.now() - hour) });
    const failure = await openArchive(options, quietWork).catch((error: unknown) => error);
    expect(failure).toMatchObject({ hint: expect.stringContaining("acceptExpired: true") });
    const archive = await openArchive({ ...options, acceptExpired: true }, quietWork);
    expect(await archiveState({ ...options, acceptExpired: true })).toBe(archive.digest);
    expect(await archiveState(options)).toBeUndefined();
  });

  it("is never replaced by an older one", async () => {
    const first = await openArchive(options, quietWork);
    await serve({ date: new Date(Date.now() - 48 * hour) });
    expect((await openArchive({ ...options, refresh: true }, quietWork)).digest).toBe(first.digest);
  });

  it("that does not exist is named with what to do", async () => {
    await expect(openArchive({ ...options, suite: "trixy" }, quietWork)).rejects.toEqual(code("NOT_FOUND"));
    await expect(openArchive({ ...options, suite: "../x" }, quietWork)).rejects.toEqual(
      code("RECIPE_INVALID"),
    );
  });

  it("lists the architectures it has when it lacks one", async () => {
    const archive = await openArchive(options, quietWork);
    await expect(archive.indexes("vax")).rejects.toMatchObject({
      code: "PLATFORM_UNSUPPORTED",
      message: expect.stringContaining("amd64"),
    });
    await expect(openArchive({ ...options, components: ["games"] }, quietWork)).rejects.toEqual(
      code("RECIPE_INVALID"),
    );
  });
});

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
  });
});

describe("an index", () => {
  it("is fetched by its hash where the release offers that", async () => {
    await serve({ fields: "Acquire-By-Hash: yes" });
    const byHash = `dists/sample/main/binary-amd64/by-hash/SHA256/${sha256Hex(packed)}`;
    mirror.files.set(byHash, packed);
    mirror.files.delete(indexPath);
    await (await openArchive(options, quietWork)).indexes("amd64");
    expect(mirror.requests).toContain(byHash);
  });

  it("is fetched by its name where the hash is not served", async () => {
    await serve({ fields: "Acquire-By-Hash: yes" });
    expect(await (await openArchive(options, quietWork)).indexes("amd64")).toHaveLength(1);
  });

  it.each([
    ["bits are flipped", Buffer.from(packed.map((byte, at) => (at === 30 ? byte ^ 4 : byte)))],
    ["it is another one of the same length", Buffer.from(packed.toReversed())],
    ["it is shorter", packed.subarray(0, -4)],
    ["it is longer", Buffer.concat([packed, Buffer.from("more")])],
  ])("is refused when %s", async (_what, bytes) => {
    mirror.files.set(indexPath, bytes);
    const archive = await openArchive(options, quietWork);
    await expect(archive.indexes("amd64")).rejects.toEqual(code("ARCHIVE_UNTRUSTED"));
    expect(await readdir(join(options.cacheDirectory, "debian")).catch(() => [])).not.toContain("packages");
    const left = await readdir(join(options.cacheDirectory, "debian", "indexes")).catch(() => []);
    expect(left).toEqual([]);
  });
});

describe("a package", () => {
  const deb = buildDeb({
    data: [{ name: "./usr/share/big", body: Buffer.alloc(300_000, "0123456789abcdef") }],
    compress: (bytes) => bytes,
    suffix: "",
  });
  const path = recordOf(deb).filename;
  const record = () => recordOf(deb, {}, mirror.url);

  beforeEach(() => {
    mirror.files.set(path, deb);
  });

  it("is fetched once, whoever asks and however often", async () => {
    const archive = await openArchive(options, quietWork);
    const [one, two] = await Promise.all([
      archive.fetch(record(), quietWork),
      archive.fetch(record(), quietWork),
    ]);
    expect(one).toBe(two);
    expect(await readFile(one)).toEqual(deb);
    await (await openArchive(options, quietWork)).fetch(record(), quietWork);
    expect(mirror.requests.filter((request) => request === path)).toHaveLength(1);
  });

  it.each([404, 403, 500, 503])("is reported when the server answers %i for good", async (status) => {
    const archive = await openArchive(options, quietWork);
    mirror.fault = (_request, response) => {
      response.writeHead(status).end("no");
      return true;
    };
    await expect(archive.fetch(record(), quietWork)).rejects.toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining(String(status)),
    });
    expect(mirror.requests.filter((request) => request === path)).toHaveLength(status < 500 ? 1 : 3);
  });

  it("comes after failures that pass", async () => {
    const archive = await openArchive(options, quietWork);
    const failures = [500, 503];
    mirror.fault = (_request, response) => {
      const status = failures.shift();
      if (status === undefined) return false;
      response.writeHead(status, { "retry-after": "0" }).end();
      return true;
    };
    expect(await readFile(await archive.fetch(record(), quietWork))).toEqual(deb);
  });

  it("goes on where a transfer broke", async () => {
    const archive = await openArchive(options, quietWork);
    let cuts = 2;
    mirror.fault = (request, response, body) => {
      if (body === undefined || cuts-- <= 0) return false;
      const start = Number(/\d+/.exec(request.headers.range ?? "")?.[0] ?? 0);
      response.writeHead(start > 0 ? 206 : 200, {
        "content-length": body.length - start,
        "content-range": `bytes ${start}-${body.length - 1}/${body.length}`,
      });
      response.write(body.subarray(start, start + 100_000), () => response.destroy());
      return true;
    };
    expect(await readFile(await archive.fetch(record(), quietWork))).toEqual(deb);
    expect(mirror.requests.filter((request) => request.startsWith(path))).toEqual([
      path,
      expect.stringMatching(/ bytes=\d+-$/),
      expect.stringMatching(/ bytes=\d+-$/),
    ]);
  });

  it("comes whole from a server that knows no ranges", async () => {
    const archive = await openArchive(options, quietWork);
    let cut = true;
    mirror.fault = (_request, response, body) => {
      if (body === undefined) return false;
      response.writeHead(200, { "content-length": body.length });
      if (cut) response.write(body.subarray(0, 100_000), () => response.destroy());
      else response.end(body);
      cut = false;
      return true;
    };
    expect(await readFile(await archive.fetch(record(), quietWork))).toEqual(deb);
  });

  it("is given up when the server stalls", async () => {
    const archive = await openArchive({ ...options, http: { attempts: 2, delay: 1, stall: 300 } }, quietWork);
    mirror.fault = (_request, response, body) => {
      response.writeHead(200, { "content-length": body?.length ?? 0 });
      response.flushHeaders();
      return true;
    };
    await expect(archive.fetch(record(), quietWork)).rejects.toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining("stalled"),
    });
  });

  it("is reported when the mirror is down", async () => {
    const archive = await openArchive(options, quietWork);
    const gone = recordOf(deb, {}, "http://127.0.0.1:9/debian");
    await expect(archive.fetch(gone, quietWork)).rejects.toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining("refuses the connection"),
    });
  });

  it("is fetched anew once when its bytes are wrong, and refused when they stay so", async () => {
    const archive = await openArchive(options, quietWork);
    const flipped = Buffer.from(deb);
    flipped[1000] = (flipped[1000] ?? 0) ^ 1;
    let bad = 1;
    mirror.fault = (_request, response) => {
      if (bad-- <= 0) return false;
      response.writeHead(200, { "content-length": flipped.length }).end(flipped);
      return true;
    };
    expect(await readFile(await archive.fetch(record(), quietWork))).toEqual(deb);
    mirror.files.set(path, flipped);
    const elsewhere = { ...options, cacheDirectory: join(directory, "other") };
    const other = await openArchive(elsewhere, quietWork);
    await expect(other.fetch(record(), quietWork)).rejects.toEqual(code("ARCHIVE_UNTRUSTED"));
    expect(
      await readdir(join(elsewhere.cacheDirectory, "debian", "packages", record().sha256.slice(0, 2))),
    ).toEqual([]);
  });

  it("is refused at once when it is of another length", async () => {
    const archive = await openArchive(options, quietWork);
    mirror.files.set(path, deb.subarray(0, 5000));
    await expect(archive.fetch(record(), quietWork)).rejects.toEqual(code("ARCHIVE_UNTRUSTED"));
    mirror.fault = (_request, response) => {
      response.writeHead(200, { "transfer-encoding": "chunked" });
      response.write(deb);
      response.end("and more");
      return true;
    };
    await expect(archive.fetch(record(), quietWork)).rejects.toEqual(code("ARCHIVE_UNTRUSTED"));
  });

  it("goes on after an interruption, in another process's place", async () => {
    const archive = await openArchive(options, quietWork);
    const controller = new AbortController();
    const reason = new Error("the person interrupted");
    mirror.fault = (_request, response, body) => {
      if (body === undefined) return false;
      response.writeHead(200, { "content-length": body.length });
      response.write(body.subarray(0, 150_000));
      setTimeout(() => controller.abort(reason), 100);
      return true;
    };
    const work: Work = { ...quietWork, signal: controller.signal };
    await expect(archive.fetch(record(), work)).rejects.toBe(reason);
    mirror.fault = undefined;
    expect(await readFile(await archive.fetch(record(), quietWork))).toEqual(deb);
    expect(mirror.requests.at(-1)).toMatch(/ bytes=\d+-$/);
  });

  it("takes over what a killed process left", async () => {
    const archive = await openArchive(options, quietWork);
    const folder = join(options.cacheDirectory, "debian", "packages", record().sha256.slice(0, 2));
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `${record().sha256}.deb.4194000-0a0b0c0d.part`), deb.subarray(0, 200_000));
    expect(await readFile(await archive.fetch(record(), quietWork))).toEqual(deb);
    expect(mirror.requests.at(-1)).toBe(`${path} bytes=200000-`);
    expect(await readdir(folder)).toEqual([`${record().sha256}.deb`]);
  });

  it("is followed through redirects", async () => {
    const archive = await openArchive(options, quietWork);
    mirror.fault = (request, response) => {
      if (!request.url?.includes("/pool/")) return false;
      response.writeHead(302, { location: `${request.url.replace("/pool/", "/elsewhere/")}` }).end();
      return true;
    };
    mirror.files.set(path.replace("pool/", "elsewhere/"), deb);
    expect(await readFile(await archive.fetch(record(), quietWork))).toEqual(deb);
    mirror.fault = (request, response) => {
      response.writeHead(302, { location: request.url }).end();
      return true;
    };
    const other = await openArchive({ ...options, cacheDirectory: join(directory, "x") }, quietWork).catch(
      (error: unknown) => error,
    );
    expect(other).toEqual(code("NETWORK"));
  });

  it("of a name that leaves the archive, or without a digest, is not asked for", async () => {
    const archive = await openArchive(options, quietWork);
    const outside = { ...record(), filename: "pool/../../etc/passwd" };
    expect(() => archive.fetch(outside, quietWork)).toThrow(/leaves the archive/);
    expect(() => archive.fetch({ ...record(), sha256: "../../x" }, quietWork)).toThrow(/no SHA256/);
  });
});

describe("a proxy", () => {
  let proxy: TestMirror;
  beforeEach(async () => {
    proxy = new TestMirror();
    await proxy.listen();
  });
  afterEach(() => proxy.close());

  it.each(["http_proxy", "HTTP_PROXY", "all_proxy"])("is used when %s names it", async (variable) => {
    const seen: string[] = [];
    proxy.fault = (request, response) => {
      seen.push(request.url ?? "");
      const file = mirror.files.get((request.url ?? "").replace(`${mirror.url}/`, ""));
      response.writeHead(file === undefined ? 404 : 200).end(file);
      return true;
    };
    await openArchive(
      { ...options, environment: { [variable]: proxy.url.replace("/debian", "") } },
      quietWork,
    );
    expect(seen).toContain(`${mirror.url}/${inRelease}`);
    expect(mirror.requests).toEqual([]);
  });

  it("is not used for what no_proxy names", async () => {
    await openArchive(
      { ...options, environment: { http_proxy: proxy.url, no_proxy: "127.0.0.1" } },
      quietWork,
    );
    expect(proxy.requests).toEqual([]);
    expect(mirror.requests).toContain(inRelease);
  });
});
