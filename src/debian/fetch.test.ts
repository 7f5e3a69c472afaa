import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TestArchive } from "../../test/debian-archive.ts";
import { buildDeb, recordOf, TestMirror } from "../../test/debian-fixture.ts";
import { quietWork, type Work } from "../io/index.ts";
import { type ArchiveOptions, openArchive } from "./index.ts";

const inRelease = "dists/sample/InRelease";

let test: TestArchive;
let mirror: TestMirror;
let options: ArchiveOptions;
let directory: string;

beforeEach(async () => {
  test = await TestArchive.start();
  ({ mirror, options, directory } = test);
});

afterEach(() => test.stop());

const code = (name: string) => expect.objectContaining({ code: name });

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
    // This machine would be asked without a proxy.
    const elsewhere = "http://mirror.example/debian";
    proxy.fault = (request, response) => {
      seen.push(request.url ?? "");
      const file = mirror.files.get((request.url ?? "").replace(`${elsewhere}/`, ""));
      response.writeHead(file === undefined ? 404 : 200).end(file);
      return true;
    };
    await openArchive(
      {
        ...options,
        mirror: elsewhere,
        environment: { [variable]: proxy.url.replace("/debian", "") },
      },
      quietWork,
    );
    expect(seen).toContain(`${elsewhere}/${inRelease}`);
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
