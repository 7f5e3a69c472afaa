import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesContent, sha256 } from "../../io/index.ts";
import { attributes, type Entry, nameText, type Tree, treeOf } from "../../tree/index.ts";
import { contentChecksum } from "./checksum.ts";

const file = (text: string, mode = 0o644): Entry => ({
  type: "file",
  content: bytesContent(text),
  ...attributes(mode),
});
const directory = (mode = 0o755): Entry => ({ type: "directory", ...attributes(mode) });
const link = (target: string): Entry => ({ type: "symlink", target, ...attributes(0o777) });
const follow = { followLinks: true } as const;

// The constants of moby/buildkit, cache/contenthash/checksum_test.go.
const data0 = "sha256:cd8e75bca50f2d695f220d0cb0997d8ead387e4f926e8669a92d7f104cc9885b";
const data1 = "sha256:c2b5e234f5f38fc5864da7def04782f82501a40d46192e4207d5b3f0c3c4732b";
const data2 = "sha256:1c67653c3cf95b12a0014e2c4cd1d776b474b3218aee54155d6ae27b9b999c54";
const d0 = "sha256:d47454417d2c554067fbefe5f5719edc49f3cfe969c36b62e34a187a4da0cc9a";
const d0Modified = "sha256:555ffa3028630d97ba37832b749eda85ab676fd64ffb629fbf0f4ec8c1e3bff1";
const symlink = "sha256:a2ba571981f48ec34eb79c9a3ab091b6491e825c2f7e9914ea86e8e958be7fae";
const brokenInside = "sha256:9b761577efcb1239cf4be971914c5d7404914dd32ff436401af1764dc5446b83";

describe("the checksum of a file or a directory", () => {
  const tree = treeOf([
    ["/", directory()],
    ["/foo", file("data0")],
    ["/bar", file("data1")],
    ["/d0", directory()],
    ["/d0/abc", file("data0")],
    ["/d0/def", link("abc")],
    ["/d0/ghi", link("nosuchfile")],
  ]);

  it.each([
    ["/foo", data0],
    ["/bar", data1],
    ["/d0/abc", data0],
    ["/d0/def", data0],
    ["/d0", d0],
    ["/", "sha256:427c9cf9ae98c0f81fb57a3076b965c7c149b6b0a85625ad4e884236649a42c6"],
  ])("is BuildKit's own of %s", async (path, expected) => {
    expect(await contentChecksum(tree, path, follow)).toBe(expected);
  });

  it("is the same for a directory wherever it is", async () => {
    expect(await contentChecksum(tree.below("/d0"), "/", follow)).toBe(d0);
    expect(await contentChecksum(tree.below("/d0").without("/ghi"), "/", follow)).toBe(d0Modified);
  });

  it("is of a link where links are not followed", async () => {
    const links = treeOf([
      ["/sym", link("target")],
      ["/foo", directory()],
      ["/foo/ghi", link("target")],
    ]);
    expect(await contentChecksum(links, "/sym", { wildcard: true })).toBe(symlink);
    expect(await contentChecksum(links, "/foo/ghi")).toBe(symlink);
    expect(await contentChecksum(links, "/foo", follow)).toBe(brokenInside);
  });

  it.each(["/nosuch", "/d0/ghi", "/foo/below"])("is none of %s", async (path) => {
    await expect(contentChecksum(tree, path, follow)).rejects.toMatchObject({ code: "STEP_FAILED" });
  });

  it("ends where links lead in a circle", async () => {
    const circle = treeOf([
      ["/a", link("b")],
      ["/b", link("a")],
    ]);
    await expect(contentChecksum(circle, "/a", follow)).rejects.toThrow("circle");
  });
});

describe("links on the way", () => {
  const tree = treeOf([
    ["/target/file", file("data0")],
    ["/link1/target_file", link("../target/file")],
    ["/link1/target_file_abs", link("/target/file")],
    ["/link1/target_dir", link("../target")],
    ["/link1/target_dir_abs", link("/target")],
    ["/link2/link1_rel", link("../link1")],
    ["/link2/link1_abs", link("/link1")],
    ["/link3/target", link("../link2/link1_rel/target_dir")],
    ["/link3/target_file", link("../link2/link1_rel/target_file")],
  ]);
  const ways = [
    "/link1/target_dir",
    "/link2/link1_rel/target_dir",
    "/link2/link1_abs/target_dir_abs",
    "/link3/target",
  ];

  it.each(ways)("are followed in %s", async (way) => {
    expect(await contentChecksum(tree, `${way}/file`)).toBe(data0);
  });

  it.each(["/link1/target_file_abs", "/link2/link1_abs/target_file", "/link3/target_file"])(
    "are followed at the end of %s only when asked for",
    async (path) => {
      expect(await contentChecksum(tree, path, follow)).toBe(data0);
      expect(await contentChecksum(tree, path)).not.toBe(data0);
    },
  );
});

describe("a choice by patterns", () => {
  const tree = treeOf([
    ["/foo", file("data0")],
    ["/bar", file("data1")],
    ["/baz", file("data2")],
    ["/d0", directory()],
    ["/d0/abc", file("abc")],
    ["/d0/xyz", file("xyz")],
    ["/d1", directory()],
    ["/d1/def", file("def")],
    ["/d2", directory()],
  ]);
  const chosen = (includePatterns: string[], excludePatterns: string[] = [], path = "/"): Promise<string> =>
    contentChecksum(tree, path, { includePatterns, excludePatterns });

  it("lists names with the digests of what they name", async () => {
    expect(await contentChecksum(tree, "/f*o", { wildcard: true })).toBe(sha256(`foo${data0}`));
    expect(await contentChecksum(tree, "/ba?", { wildcard: true })).toBe(sha256(`bar${data1}\0baz${data2}`));
  });

  // The constants of the same tests since moby/buildkit#6238.
  it.each<[string, string, object, string]>([
    ["f*", "/f*", { wildcard: true }, "0b6731924f0a32a812bf8a729202e55e54ded331f9e4ff2397f681e43694e086"],
    ["x/d?", "/x/d?", { wildcard: true }, "6b612ad5c13159112ae26357ef7bd34df29916941ba40ec2ce38dfb70c6c60c3"],
    [
      "y*",
      "/y*",
      { wildcard: true, followLinks: true },
      "982153600b9653a1decb0f961e09e2bc1be335cfcaac9b39dbd1120b65fdf92c",
    ],
    [
      "fo? without following links inside",
      "/z/fo?",
      { wildcard: true, followLinks: true },
      "2797e710c6d1a89ff2d91c834b828b1dc500f2982430a58241df8e146f4c4bb4",
    ],
    [
      "a directory of which nothing is left out",
      "/z/foo",
      { excludePatterns: ["*.git"] },
      brokenInside.slice(7),
    ],
    [
      "**",
      "/prefix/a",
      { includePatterns: ["**/foo/**", "**/report"] },
      "aa7448215bbf5b837b35ce64467857d8b9747965573d14d4b31b370586370971",
    ],
  ])("lists paths since BuildKit 0.26: %s", async (_, path, choice, expected) => {
    const listed = treeOf([
      ["/bar", file("data1")],
      ["/foo", file("data0")],
      ["/fox", file("data2")],
      ["/x/d0", directory()],
      ["/x/d0/abc", file("data0")],
      ["/x/d0/def", link("abc")],
      ["/x/d0/ghi", link("nosuchfile")],
      ["/y1", link("foo")],
      ["/y2", link("fox")],
      ["/z/foo", directory()],
      ["/z/foo/ghi", link("target")],
      ["/prefix/a/b/c/foo/bar", file("abc")],
    ]);
    expect(await contentChecksum(listed, path, choice, { listing: "paths" })).toBe(`sha256:${expected}`);
  });

  it("is of nothing where nothing matches", async () => {
    expect(await chosen(["d2/foo"])).toBe(sha256(""));
    expect(await chosen(["foo"], [], "/d2")).toBe(sha256(""));
    expect(await contentChecksum(tree, "/x*", { wildcard: true })).toBe(sha256(""));
  });

  it("does not see what it does not choose", async () => {
    const same = [
      [["d0/a*"], ["**/abc"]],
      [["d0/*"], ["d0"]],
    ] as const;
    for (const [a, b] of same) expect(await chosen([...a])).toBe(await chosen([...b]));
    expect(await chosen(["d0/*"], ["d0/xyz"])).toBe(await chosen(["d0/a*"]));
    expect(await chosen(["d0/*"])).not.toBe(await chosen(["d0/a*"]));
  });

  it("goes through links before its first pattern only", async () => {
    const links = treeOf([
      ["/data/d0/d1/foo", file("abc")],
      ["/mnt/data", link("../data")],
      ["/data/to-d0", link("d0")],
    ]);
    const foo = { includePatterns: ["**/foo"] };
    const direct = await contentChecksum(links, "/data/d0", foo);
    expect(direct).not.toBe(sha256(""));
    expect(await contentChecksum(links, "/mnt/data/d0", foo)).toBe(direct);
    expect(await contentChecksum(links, "/mnt/data/d*", { ...foo, wildcard: true })).toBe(direct);
    expect(await contentChecksum(links, "/data/to-d0", foo)).toBe(sha256(""));
  });
});

describe("any tree", () => {
  const name = fc.stringMatching(/^[a-zäöü€𝄞.-]{1,4}$/u).filter((text) => text !== "." && text !== "..");
  const entry = fc.oneof(
    fc
      .record({ text: fc.string(), mode: fc.integer({ min: 0, max: 0o7777 }) })
      .map(({ text, mode }) => file(text, mode)),
    fc.string({ minLength: 1 }).map(link),
    fc.integer({ min: 0, max: 0o7777 }).map(directory),
  );
  const paths = fc.uniqueArray(fc.tuple(fc.array(name, { minLength: 1, maxLength: 3 }), entry), {
    minLength: 1,
    maxLength: 8,
    selector: ([parts]) => parts[0],
  });
  const made = (list: readonly [string[], Entry][]): Tree =>
    treeOf(list.map(([parts, entry]) => [`/${parts.join("/")}`, { ...entry }]));

  it("has one checksum whatever the order it was made in, and whatever its times", async () => {
    await fc.assert(
      fc.asyncProperty(paths, async (list) => {
        const later = list
          .toReversed()
          .map(([parts, entry]): [string[], Entry] => [parts, { ...entry, mtime: 7 }]);
        expect(await contentChecksum(made(later), "/")).toBe(await contentChecksum(made(list), "/"));
      }),
    );
  });

  it("has another one after any change", async () => {
    await fc.assert(
      fc.asyncProperty(paths, fc.constantFrom("mode", "uid", "gid", "name", "gone"), async (list, change) => {
        const [[parts, entry], ...others] = list as [[string[], Entry], ...[string[], Entry][]];
        fc.pre(change !== "mode" || entry.type !== "symlink");
        const changed: [string[], Entry][] =
          change === "gone"
            ? []
            : change === "name"
              ? [[[`${parts[0]}x!`, ...parts.slice(1)], entry]]
              : [[parts, { ...entry, [change]: entry[change] ^ 1 }]];
        expect(await contentChecksum(made([...changed, ...others]), "/")).not.toBe(
          await contentChecksum(made(list), "/"),
        );
      }),
    );
  });
});

describe("special files", () => {
  const header = (rest: string): string => sha256(`namemode420uid0gid0size0typeflag${rest}`);
  const plain = "linknameunamegnamedevmajor0devminor0";

  it.each<[string, Entry, string]>([
    ["devices have no numbers", { type: "character", major: 1, minor: 3, ...attributes(0o644) }, `3${plain}`],
    ["fifos", { type: "fifo", ...attributes(0o644) }, `6${plain}`],
    [
      "attributes, but those of the machine",
      {
        type: "file",
        content: bytesContent(""),
        ...attributes(0o644),
        xattrs: new Map([
          ["user.b", Buffer.from("2")],
          ["security.selinux", Buffer.from("s")],
          ["security.capability", Buffer.from("c")],
          ["system.posix_acl_access", Buffer.from("a")],
          ["user.a", Buffer.from("1")],
        ]),
      },
      `0${plain}security.capabilitycuser.a1user.b2`,
    ],
  ])("%s", async (_, entry, expected) => {
    expect(await contentChecksum(treeOf([["/x", entry]]), "/x")).toBe(header(expected));
  });
});

describe("names that are no text", () => {
  it("are ordered and hashed as bytes", async () => {
    const odd = nameText(Buffer.from("\x80", "latin1"));
    const tree = treeOf([
      ["/é", file("a")],
      [`/${odd}`, file("b")],
    ]);
    const header = (text: string): string =>
      sha256(`namemode420uid0gid0size1typeflag0linknameunamegnamedevmajor0devminor0${text}`);
    const top = sha256("namemode493uid0gid0size0typeflag5linknameunamegnamedevmajor0devminor0");
    const bytes = Buffer.concat([
      Buffer.from(`\0${top}\0`),
      Buffer.of(0x80),
      Buffer.from(`${header("b")}\0é${header("a")}`),
    ]);
    expect(await contentChecksum(tree, "/")).toBe(sha256(bytes));
  });
});
