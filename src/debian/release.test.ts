import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WhittleError } from "../io/index.ts";
import { parseParagraphs } from "./deb822.ts";
import { parseRelease } from "./release.ts";

const sum = "a".repeat(64);
const text = `Origin: Debian
Suite: stable
Codename: trixie
Date: Sat, 12 Sep 2026 07:55:41 UTC
Valid-Until: Sat, 19 Sep 2026 07:55:41 UTC
Acquire-By-Hash: yes
No-Support-for-Architecture-all: Packages
Architectures: all amd64 arm64
Components: updates/main contrib
SHA256:
 ${sum}  56620099 main/binary-amd64/Packages
 ${sum}  1 contrib/binary-amd64/Packages.xz
`;

describe("a release file", () => {
  it("is read", () => {
    const release = parseRelease(text, "x");
    expect(release).toMatchObject({
      suite: "stable",
      codename: "trixie",
      date: Date.UTC(2026, 8, 12, 7, 55, 41),
      validUntil: Date.UTC(2026, 8, 19, 7, 55, 41),
      acquireByHash: true,
      architectures: ["amd64", "arm64"],
      components: ["main", "contrib"],
      separateAll: false,
    });
    expect(release.files.get("main/binary-amd64/Packages")).toEqual({
      path: "main/binary-amd64/Packages",
      size: 56620099,
      sha256: sum,
    });
  });

  it("says whether packages for all architectures are apart", () => {
    const apart = text.replace(/^No-Support.*\n/m, "");
    expect(parseRelease(apart, "x").separateAll).toBe(true);
    expect(parseRelease(apart.replace("all ", ""), "x").separateAll).toBe(false);
  });

  it.each([
    ["no date", text.replace(/^Date:.*\n/m, "")],
    ["a date that is none", text.replace("12 Sep 2026 07", "12 Sep 2026 47")],
    ["a date in another zone", text.replace("07:55:41 UTC\nValid", "07:55:41 +0200\nValid")],
    ["a line that is no sum", text.replace(sum, "abc")],
    ["a path that leaves it", text.replace("contrib/binary-amd64", "../../etc")],
    ["an absolute path", text.replace("contrib/binary-amd64", "/etc")],
    ["two paragraphs", `${text}\nSuite: other\n`],
    ["nothing", ""],
    ["a field twice", text.replace("Origin: Debian", "Suite: x")],
  ])("with %s is refused", (_what, bad) => {
    expect(() => parseRelease(bad, "x")).toThrow(expect.objectContaining({ code: "ARCHIVE_CORRUPT" }));
  });

  it("never fails in another way", () => {
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ unit: "binary", maxLength: 3 }), (at, put) => {
        try {
          parseRelease(text.slice(0, at) + put + text.slice(at + put.length), "x");
        } catch (error) {
          expect(error).toBeInstanceOf(WhittleError);
        }
      }),
    );
  });
});

describe("a control file", () => {
  it("has paragraphs of fields, with comments and continuation lines", () => {
    const paragraphs = parseParagraphs("A: 1\n# note\nB:\n two\n# note\n  three\n .\n\n \nC: 3\r\n", "x");
    expect(paragraphs.map((fields) => [...fields])).toEqual([
      [
        ["a", "1"],
        ["b", "\ntwo\n three\n."],
      ],
      [["c", "3"]],
    ]);
  });

  it("gives back what was written", () => {
    const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
    const fields = fc.dictionary(fc.stringMatching(/^[a-z][a-z-]{0,9}$/), value, {
      minKeys: 1,
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(fc.array(fields, { minLength: 1, maxLength: 4 }), (paragraphs) => {
        const written = paragraphs
          .map((one) =>
            Object.entries(one)
              .map(([name, text]) => `${name}: ${text}\n`)
              .join(""),
          )
          .join("\n");
        expect(parseParagraphs(written, "x").map((one) => Object.fromEntries(one))).toEqual(paragraphs);
      }),
    );
  });
});
