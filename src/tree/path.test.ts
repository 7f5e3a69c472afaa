import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { names, paths } from "../../test/arbitrary-tree.ts";
import {
  ancestorsOf,
  childOf,
  compareNames,
  isWithin,
  nameBytes,
  nameOf,
  nameText,
  parentOf,
  partsOf,
  treePath,
} from "./index.ts";

describe("treePath", () => {
  it.each([
    ["", "/"],
    ["/", "/"],
    [".", "/"],
    ["./", "/"],
    ["a", "/a"],
    ["./a//b/./c/", "/a/b/c"],
    ["/usr/bin", "/usr/bin"],
    ["...", "/..."],
    ["a..b", "/a..b"],
  ])("brings %j into the form %j", (name, path) => {
    expect(treePath(name)).toBe(path);
    expect(treePath(path)).toBe(path);
  });

  it.each(["..", "../x", "a/../b", "/..", "a/..", "a\0b"])("refuses %j", (name) => {
    expect(() => treePath(name)).toThrow(expect.objectContaining({ code: "ARCHIVE_HOSTILE" }));
  });
});

describe("the parts of a path", () => {
  it("put together are the path", () => {
    fc.assert(
      fc.property(paths, names, (path, name) => {
        const child = childOf(path, name);
        expect([parentOf(child), nameOf(child)]).toEqual([path, name]);
        expect(`/${partsOf(path).join("/")}`).toBe(path);
        expect(isWithin(child, path)).toBe(true);
        expect(isWithin(path, child)).toBe(false);
        expect(isWithin(`${path}x`, path)).toBe(false);
        expect(ancestorsOf(child)).toEqual([...ancestorsOf(path), path]);
      }),
    );
  });

  it("are none at the top", () => {
    expect([parentOf("/"), nameOf("/"), partsOf("/"), ancestorsOf("/"), ancestorsOf("/a")]).toEqual([
      "/",
      "",
      [],
      [],
      ["/"],
    ]);
    expect([childOf("/", "a"), isWithin("/a", "/"), isWithin("/", "/")]).toEqual(["/a", true, true]);
  });
});

describe("compareNames", () => {
  it("orders as UTF-8 bytes do", () => {
    const strings = fc.string({ unit: "binary", maxLength: 6 }).filter((text) => text.isWellFormed());
    fc.assert(
      fc.property(strings, strings, (a, b) => {
        expect(Math.sign(compareNames(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
    // U+FFFF comes before U+10000 in UTF-8 and after it in UTF-16.
    expect(compareNames("\uffff", "\u{10000}")).toBeLessThan(0);
  });
});

describe("names that are not UTF-8", () => {
  it("keep their bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        expect(nameBytes(nameText(Buffer.from(bytes)))).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it("are the text itself where they are UTF-8, U+FFFD included", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        fc.pre(text.isWellFormed());
        expect(nameText(Buffer.from(text))).toBe(text);
      }),
    );
    expect(nameText(Buffer.from("\ufffd"))).toBe("\ufffd");
    // As Python's os.fsdecode() gives it.
    expect(nameText(Buffer.of(0x61, 0xff, 0xc3, 0xa4, 0xed, 0xb0, 0x80))).toBe("a\udcffä\udced\udcb0\udc80");
  });
});
