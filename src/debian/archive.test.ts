import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PrivateKey } from "openpgp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TestArchive } from "../../test/debian-archive.ts";
import {
  clearSign,
  makeKey,
  type ReleaseParts,
  releaseText,
  sha256Hex,
  type TestMirror,
} from "../../test/debian-fixture.ts";
import { type ProgressEvent, quietWork, type Work } from "../io/index.ts";
import { type ArchiveOptions, archiveState, openArchive } from "./index.ts";

const inRelease = "dists/sample/InRelease";

let test: TestArchive;
let mirror: TestMirror;
let options: ArchiveOptions;
let secret: PrivateKey;
let release: ReleaseParts;
let packages: Buffer;

beforeEach(async () => {
  test = await TestArchive.start();
  ({ mirror, options, secret, release, packages } = test);
});

afterEach(() => test.stop());

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
    await test.serve({ date: new Date() });
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
    await test.serve({ date: new Date(Date.now() - 9 * hour), validUntil: new Date(Date.now() - hour) });
    const failure = await openArchive(options, quietWork).catch((error: unknown) => error);
    expect(failure).toMatchObject({ hint: expect.stringContaining("acceptExpired: true") });
    const archive = await openArchive({ ...options, acceptExpired: true }, quietWork);
    expect(await archiveState({ ...options, acceptExpired: true })).toBe(archive.digest);
    expect(await archiveState(options)).toBeUndefined();
  });

  it("is never replaced by an older one", async () => {
    const first = await openArchive(options, quietWork);
    await test.serve({ date: new Date(Date.now() - 48 * hour) });
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
