import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quietWork } from "../io/index.ts";
import { indexOf, indexOfText, packagesDirectory, packagesText } from "./packages-fixture.ts";
import { openIndex, type PackagesFile } from "./packages-index.ts";
import { TextMemory } from "./packages-index-memory.ts";

const sample = packagesText([
  {
    Package: "beta",
    Version: "2",
    Depends: "alpha (>= 1),\n gamma | delta:any",
    Provides: "virtual (= 3), other",
  },
  { Package: "alpha", Version: "1:1-1", Essential: "yes", "Multi-Arch": "foreign", Source: "src (1)" },
  { Package: "alpha", Version: "1:2-1", Architecture: "all", "Multi-Arch": "same", Suggests: "never-there" },
]);

function fileOf(text: string): { file: PackagesFile; directory: string } {
  const directory = packagesDirectory();
  const path = join(directory, "Packages");
  writeFileSync(path, text);
  return {
    file: { path, sha256: "ab".repeat(32), suite: "trixie", mirror: "http://m.test/debian" },
    directory,
  };
}

/** The compact form that opening leaves in the cache. */
function compactPath(directory: string): string {
  return join(directory, readdirSync(directory).find((name) => name.includes(".packages-")) ?? "");
}

describe("TextMemory", () => {
  it("keeps what is in it when it grows, and nothing once it is cleared", () => {
    const memory = new TextMemory();
    const [one, other] = ["x".repeat(60_000_000), "\xe9".repeat(50_000_000)];
    memory.add(one);
    memory.add(other);
    expect(memory.length).toBe(110_000_000);
    expect(memory.part(59_999_999, 60_000_001)).toEqual(Buffer.of(0x78, 0xe9));
    memory.clear();
    memory.add("new");
    expect(memory.part(0, memory.length).toString()).toBe("new");
  });
});

describe("openIndex", () => {
  it("finds versions, fields and providers", async () => {
    using index = await indexOfText(sample);
    expect([...index.names()]).toEqual(["alpha", "beta"]);
    expect(index.versions("alpha").map((id) => index.record(id).version)).toEqual(["1:1-1", "1:2-1"]);
    expect(index.versions("gamma")).toEqual([]);
    expect(index.record(index.versions("beta")[0]!)).toMatchObject({
      name: "beta",
      version: "2",
      architecture: "amd64",
      depends: "alpha (>= 1), gamma | delta:any",
      filename: "pool/main/beta_2_amd64.deb",
      size: 100,
      installedSize: 10,
      mirror: "http://mirror.test/debian",
      suite: "trixie",
    });
    const providers = index.providers("virtual");
    expect(providers.map(({ id, version }) => [index.record(id).name, version])).toEqual([["beta", "3"]]);
    expect(index.providers("other")[0]).not.toHaveProperty("version");
    expect(index.essentials().map((id) => index.record(id).version)).toEqual(["1:1-1"]);
  });

  it("gives no Multi-Arch: same to packages for all architectures", async () => {
    using index = await indexOfText(sample);
    expect(index.versions("alpha").map((id) => index.record(id).multiArch)).toEqual(["foreign", "no"]);
  });

  it("ranks names by their first mention", async () => {
    using index = await indexOfText(sample);
    const names = ["beta", "alpha", "gamma", "delta:any", "virtual", "other", "never-there"];
    expect(names.map((name) => index.rank(name))).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(index.rank("delta")).toBeUndefined();
  });

  it("suggests the nearest names", async () => {
    using index = await indexOf(["nginx", "nginx-light", "busybox", "zsh"].map((Package) => ({ Package })));
    expect(index.suggest("ngnix")).toEqual(["nginx"]);
    expect(index.suggest("nginx-ligth")).toEqual(["nginx-light"]);
    expect(index.suggest("something-else")).toEqual([]);
  });

  it("keeps the compact form and makes it anew when it is truncated or flipped", async () => {
    const { file, directory } = fileOf(sample);
    (await openIndex(file, directory)).close();
    const path = compactPath(directory);
    const good = readFileSync(path);
    const tablesEnd = good.indexOf("alphabeta") + "alphabeta".length;
    for (const damage of [
      () => truncateSync(path, 10),
      () => truncateSync(path, tablesEnd - 30),
      () =>
        writeFileSync(
          path,
          good.map((byte, at) => (at === 3 ? byte ^ 1 : byte)),
        ),
      () =>
        writeFileSync(
          path,
          good.map((byte, at) => (at === tablesEnd - 3 ? byte ^ 1 : byte)),
        ),
    ]) {
      damage();
      using index = await openIndex(file, directory);
      expect(index.versions("beta")).toHaveLength(1);
      expect(readFileSync(path).equals(good)).toBe(true);
    }
  });

  it("refuses a record whose bytes were flipped", async () => {
    const { file, directory } = fileOf(sample);
    (await openIndex(file, directory)).close();
    const path = compactPath(directory);
    const bytes = readFileSync(path);
    bytes[bytes.lastIndexOf("virtual")] = 0;
    writeFileSync(path, bytes);
    using index = await openIndex(file, directory);
    expect(() => index.record(index.versions("beta")[0]!)).toThrow(/is damaged/);
    using again = await openIndex(file, directory);
    expect(again.record(again.versions("beta")[0]!).provides).toContain("virtual");
  });

  it("is made once and read by all when opened many times at once", async () => {
    const { file, directory } = fileOf(sample);
    const opened = await Promise.all(Array.from({ length: 8 }, () => openIndex(file, directory)));
    expect(opened.map((index) => index.versions("alpha").length)).toEqual(Array(8).fill(2));
    for (const index of opened) index.close();
    expect(readdirSync(directory)).toHaveLength(2);
  });

  it("reads stanzas across any boundary of its chunks", async () => {
    const filler = (size: number) => ({ Package: "filler", Description: "x".repeat(size) });
    for (const size of [2 ** 19 - 300, 2 ** 19 - 200, 2 ** 19 - 100, 2 ** 20, 3 * 2 ** 20]) {
      using index = await indexOf([filler(size), { Package: "after", Depends: "filler" }]);
      expect([...index.names()]).toEqual(["after", "filler"]);
    }
  });

  it("makes one after the other, whatever becomes of the one before", async () => {
    const long = packagesText([{ Package: "long", Depends: "a, ".repeat(50_000) }]);
    using first = await indexOfText(long);
    await expect(indexOfText("Package: a\nVersion: 1\n")).rejects.toThrow(/lacks Package/);
    const { file, directory } = fileOf(long);
    const controller = new AbortController();
    const interrupted = openIndex(file, directory, { ...quietWork, signal: controller.signal });
    setImmediate(() => controller.abort(new Error("enough")));
    await expect(interrupted).rejects.toThrow("enough");
    expect(readdirSync(directory)).toEqual(["Packages"]);
    using last = await indexOfText(sample);
    expect([...first.names()]).toEqual(["long"]);
    expect(first.record(first.versions("long")[0]!).depends).toHaveLength(150_000 - 1);
    expect([...last.names()]).toEqual(["alpha", "beta"]);
  });

  it("takes an empty file, and many blank lines", async () => {
    using empty = await indexOfText("");
    expect([...empty.names()]).toEqual([]);
    using blank = await indexOfText(`\n\n${sample.replaceAll("\n\n", "\n\n\n\n")}\n\n\n`);
    expect([...blank.names()]).toEqual(["alpha", "beta"]);
  });

  it("refuses what is no Packages file", async () => {
    await expect(indexOfText("Package: a\nVersion: 1\n")).rejects.toThrow(
      /lacks Package, Version or Architecture/,
    );
    await expect(indexOfText("x".repeat(5 * 2 ** 20))).rejects.toThrow(/Cannot read the package index/);
  });

  it("never crashes on bytes that mean nothing", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: fc.constantFrom(..."PackageVersion: \n,|()="), maxLength: 300 }),
        async (text) => {
          try {
            (await indexOfText(text)).close();
          } catch (error) {
            expect(error).toHaveProperty("code", "ARCHIVE_CORRUPT");
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});
