import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Served, served } from "./served.contract.ts";

const digestOf = (bytes: Buffer, algorithm = "sha256"): string =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;

async function push({ origin }: Served, bytes: Buffer, algorithm = "sha256"): Promise<string> {
  const path = `/v2/a/blobs/uploads/?digest=${digestOf(bytes, algorithm)}`;
  expect((await fetch(origin + path, { method: "POST", body: new Uint8Array(bytes) })).status).toBe(201);
  return `${origin}/v2/a/blobs/${digestOf(bytes, algorithm)}`;
}

const pulled = async (url: string, headers = {}): Promise<Buffer> =>
  Buffer.from(await (await fetch(url, { headers })).arrayBuffer());

describe("a download", () => {
  it.each([0, 1, 1000, 512 * 1024, 512 * 1024 + 1, 5_000_000])("of %i bytes has them all", async (size) => {
    const server = await served();
    const bytes = randomBytes(size);
    const url = await push(server, bytes);
    expect(digestOf(await pulled(url))).toBe(digestOf(bytes));
    if (size < 3) return;
    expect((await pulled(url, { range: "bytes=1-" })).equals(bytes.subarray(1))).toBe(true);
    expect((await pulled(url, { range: `bytes=-${size - 2}` })).equals(bytes.subarray(2))).toBe(true);
  });

  it("of a long blob goes past the connection, is counted all the same, and is cut where it is to be", async () => {
    // Who asks has another address of this machine, and so is taken for another machine.
    const server = await served({ host: "127.0.0.2" });
    // From here on it pays to load what the kernel is asked by.
    const bytes = randomBytes(34 * 1024 * 1024);
    const url = await push(server, bytes);
    for (const [from, to] of [
      [0, bytes.length],
      [1, bytes.length],
      [5_000_000, 25_000_001],
    ] as const) {
      const range = from === 0 ? {} : { range: `bytes=${from}-${to - 1}` };
      const downloads = () => server.log.filter(({ method }) => method === "GET");
      const before = downloads().length;
      expect((await pulled(url, range)).equals(bytes.subarray(from, to))).toBe(true);
      await expect.poll(() => downloads().length).toBe(before + 1);
      expect(downloads().at(-1)?.["sent"]).toBeGreaterThan(to - from);
      expect(downloads().at(-1)?.["sent"]).toBeLessThan(to - from + 1000);
    }
  });

  it("of a long blob by who takes nothing is ended, and leaves no connection open", async () => {
    const server = await served({
      host: "127.0.0.2",
      patience: { pace: { milliseconds: 200, bytes: 4096 } },
    });
    const url = new URL(await push(server, randomBytes(34 * 1024 * 1024)));
    const before = sockets();
    const socket = connect(Number(url.port), url.hostname);
    socket.on("error", () => undefined);
    socket.write(`GET ${url.pathname} HTTP/1.1\r\nhost: ${url.host}\r\n\r\n`);
    await once(socket, "connect");
    await expect
      .poll(() => server.log.at(-1)?.["reason"], { timeout: 10_000 })
      .toBe("the client is too slow");
    socket.destroy();
    await expect.poll(sockets).toBeLessThanOrEqual(before);
  });

  it.each(["sha256", "sha512"])(
    "of a blob that was damaged on disk by %s does not end well",
    async (algorithm) => {
      const server = await served();
      const bytes = randomBytes(3_000_000);
      const url = await push(server, bytes, algorithm);
      expect((await pulled(url)).equals(bytes)).toBe(true);
      const path = join(server.store.directory, "blobs", algorithm, digestOf(bytes, algorithm).slice(7));
      bytes[1_000_000] = (bytes[1_000_000] ?? 0) ^ 1;
      writeFileSync(path, bytes);
      await expect(pulled(url)).rejects.toThrow();
      expect(server.log.at(-1)).toMatchObject({ status: 200 });
      expect(String(server.log.at(-1)?.["reason"])).toContain("is damaged, it has the digest");
      // Shorter than it was when its length was told.
      writeFileSync(path, bytes.subarray(0, 10));
      await expect(pulled(url)).rejects.toThrow();
    },
  );

  it("by many at once is right for each, and leaves no file open", async () => {
    const server = await served();
    const bytes = randomBytes(2_000_000);
    const url = await push(server, bytes);
    const all = await Promise.all(Array.from({ length: 50 }, () => pulled(url)));
    for (const one of all) expect(one.equals(bytes)).toBe(true);
    await expect
      .poll(() => open().filter((path: string) => path.startsWith(server.store.directory)))
      .toEqual([]);
  });
});

function open(): string[] {
  return readdirSync("/proc/self/fd").map(linkOf);
}

function sockets(): number {
  return open().filter((path) => path.startsWith("socket:")).length;
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}
