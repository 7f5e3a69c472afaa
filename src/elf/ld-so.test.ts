import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { elfTree } from "../../test/elf-fixture.ts";
import { matchesPattern } from "./glob.ts";
import { configuredDirectories, Loader, withLoaderCache } from "./index.ts";
import { compareLibraries, formatLdCache, parseLdCache } from "./ld-so-cache.ts";

describe("ld.so.conf", () => {
  it("is read with includes, comments, old forms and doubles", async () => {
    const tree = elfTree({
      "/etc/ld.so.conf":
        "/first/ /second:/third # /no\ninclude ld.so.conf.d/*.conf\nhwcap 0 nosegneg\n/last=libc6\n",
      "/etc/ld.so.conf.d/b.conf": "/b\n/first\n",
      "/etc/ld.so.conf.d/a.conf": "# only words\n\n/a\ninclude /etc/ld.so.conf\n",
      "/etc/ld.so.conf.d/.hidden.conf": "/hidden\n",
      "/etc/ld.so.conf.d/a.conf.dpkg-old": "/old\n",
    });
    expect(await configuredDirectories(tree)).toEqual(["/first", "/second", "/third", "/a", "/b", "/last"]);
  });

  it("may be missing", async () => {
    expect(await configuredDirectories(elfTree({ "/etc/x": "" }))).toEqual([]);
  });
});

describe("patterns of names", () => {
  it.each([
    ["*.conf", "a.conf", true],
    ["*.conf", ".conf", false],
    [".*", ".conf", true],
    ["*", "", true],
    ["a?c", "abc", true],
    ["a?c", "ac", false],
    ["[a-c]x", "bx", true],
    ["[!a-c]x", "bx", false],
    ["[^a-c]x", "dx", true],
    ["[]x]y", "]y", true],
    ["[a-]z", "-z", true],
    ["[x", "[x", true],
    ["a*b*c", "aXbYbZc", true],
    ["a*b*c", "aXbYbZ", false],
    ["a.c", "abc", false],
  ])("%s and %s: %s", (pattern, name, wanted) => {
    expect(matchesPattern(pattern, name)).toBe(wanted);
  });

  it("take no longer for a pattern made to take long", () => {
    expect(matchesPattern(`${"*a".repeat(200)}b`, "a".repeat(255))).toBe(false);
  });
});

describe("ld.so.cache", () => {
  /** The layout of glibc's dl-cache.h, with the strings behind the entries. */
  function cacheOf(
    order: "little" | "big",
    entries: readonly [name: string, path: string, hwcap?: bigint][],
    flag: number,
  ): Buffer {
    const head = Buffer.alloc(48 + 24 * entries.length);
    head.write("glibc-ld.so.cache1.1");
    const u32 = (value: number, at: number) =>
      order === "little" ? head.writeUInt32LE(value, at) : head.writeUInt32BE(value, at);
    u32(entries.length, 20);
    head[28] = flag;
    let text = "";
    for (const [index, [name, path, hwcap = 0n]] of entries.entries()) {
      const at = 48 + 24 * index;
      u32(0x303, at);
      u32(head.length + text.length, at + 4);
      text += `${name}\0`;
      u32(head.length + text.length, at + 8);
      text += `${path}\0`;
      if (order === "little") head.writeBigUInt64LE(hwcap, at + 16);
      else head.writeBigUInt64BE(hwcap, at + 16);
    }
    return Buffer.concat([head, Buffer.from(text)]);
  }

  const entries: [string, string, bigint?][] = [
    ["libz.so.1", "/lib/x86_64-linux-gnu/libz.so.1"],
    ["libc.so.6", "/lib/glibc-hwcaps/x86-64-v3/libc.so.6", 1n << 62n],
  ];
  const wanted = entries.map(([name, path, hwcap = 0n]) => ({ name, path, hwcap }));

  it("is read in both byte orders, said or not", () => {
    expect(parseLdCache(cacheOf("little", entries, 2), "big")).toEqual(wanted);
    expect(parseLdCache(cacheOf("big", entries, 3), "little")).toEqual(wanted);
    expect(parseLdCache(cacheOf("big", entries, 0), "big")).toEqual(wanted);
  });

  it("is read behind the old format", () => {
    // There, offsets count from the beginning of the new part, too.
    const both = Buffer.concat([Buffer.from("ld.so-1.7.0\0\0\0\0\0"), cacheOf("little", entries, 2)]);
    expect(parseLdCache(both, "little")).toEqual(wanted);
  });

  it("has no entries when it is something else, cut off or damaged", () => {
    const cache = cacheOf("little", entries, 2);
    expect(parseLdCache(Buffer.from("hello"), "little")).toEqual([]);
    for (let length = 0; length < 96; length++)
      expect(parseLdCache(cache.subarray(0, length), "little")).toEqual([]);
    fc.assert(
      fc.property(fc.nat(cache.length - 1), fc.nat(255), (at, value) => {
        const damaged = Buffer.from(cache);
        damaged[at] = value;
        expect(parseLdCache(damaged, "little").length).toBeLessThanOrEqual(entries.length);
      }),
    );
  });
});

describe("a cache that is made", () => {
  it("is read back in both byte orders, the first line of a name counting", () => {
    const lines = [
      { name: "liba.so.2", path: "/x/liba.so.2", flags: 0x303 },
      { name: "liba.so.10", path: "/x/liba.so.10", flags: 0x303 },
      { name: "liba.so.2", path: "/y/liba.so.2", flags: 0x303 },
      { name: "liba.so.2", path: "/z/liba.so.2", flags: 3 },
    ];
    for (const order of ["little", "big"] as const) {
      const paths = parseLdCache(formatLdCache(lines, order), order).map(({ path }) => path);
      expect(paths).toEqual(["/x/liba.so.10", "/x/liba.so.2", "/z/liba.so.2"]);
    }
  });

  it("has the order by which loaders search", () => {
    const names = ["libz.so.1", "liba.so.9", "liba.so.10", "lib1.so", "libab.so", "liba-2.so"];
    expect(names.toSorted(compareLibraries)).toEqual([
      "liba-2.so",
      "liba.so.9",
      "liba.so.10",
      "libab.so",
      "libz.so.1",
      "lib1.so",
    ]);
  });

  const files = {
    "/bin/x": { interpreter: "/lib64/ld-linux-x86-64.so.2", needed: ["liba.so.1"] },
    "/etc/ld.so.conf": "/usr/local/lib\n/lib/x86_64-linux-gnu\n",
    "/lib/x86_64-linux-gnu/libc.so.6": { soname: "libc.so.6" },
  };

  it("is put into a tree that needs one, and leads to files without a link of their name", async () => {
    const tree = await withLoaderCache(
      elfTree({ ...files, "/usr/local/lib/liba.so.1.5": { soname: "liba.so.1" } }),
    );
    const closure = await new Loader(tree, { cache: "file" }).closure("/bin/x");
    expect(closure?.needs[0]).toMatchObject({ path: "/usr/local/lib/liba.so.1.5", via: "/etc/ld.so.cache" });
    expect(tree.get("/etc/ld.so.cache")?.origin).toEqual({ kind: "generated", what: "ld.so.cache" });
    expect(tree.get("/etc")).toEqual(elfTree(files).get("/etc"));
    expect(await withLoaderCache(tree)).toBe(tree);
  });

  it("counts what lies over the tree", async () => {
    const tree = elfTree(files);
    const made = await withLoaderCache(
      tree,
      elfTree({ "/usr/local/lib/liba.so.1": { soname: "liba.so.1" } }),
    );
    expect(made.has("/etc/ld.so.cache")).toBe(true);
    expect(made.has("/usr/local")).toBe(false);
  });

  it("is left out where the loader looks anyway", async () => {
    const tree = elfTree({ ...files, "/usr/local/lib/notes.txt": "" });
    expect(await withLoaderCache(tree)).toBe(tree);
  });
});
