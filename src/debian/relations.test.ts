import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Relation } from "./relations.ts";
import { appliesTo, formatRelations, parseRelations, satisfies } from "./relations.ts";

const name = fc.stringMatching(/^[a-z0-9][a-z0-9+.-]{1,8}$/);
const relation: fc.Arbitrary<Relation> = fc
  .tuple(
    name,
    fc.option(fc.constantFrom("any", "native", "arm64")),
    fc.option(
      fc.tuple(
        fc.constantFrom("<<", "<=", "=", ">=", ">>" as const),
        fc.stringMatching(/^[0-9][a-z0-9.+~-]{0,5}$/),
      ),
    ),
    fc.option(fc.constantFrom(["amd64"], ["!s390x", "!armhf"])),
    fc.option(fc.constantFrom([["!nocheck"]], [["a", "b"], ["c"]])),
  )
  .map(
    ([name, qualifier, version, architectures, profiles]) =>
      ({
        name,
        ...(qualifier === null ? {} : { qualifier }),
        ...(version === null ? {} : { operator: version[0], version: version[1] }),
        ...(architectures === null ? {} : { architectures }),
        ...(profiles === null ? {} : { profiles }),
      }) as Relation,
  );

describe("parseRelations", () => {
  it("reads alternatives, versions, qualifiers and restrictions", () => {
    expect(
      parseRelations(
        "libc6 (>= 2.34), python3:any | perl:native ,\n foo (=1:2-3) [amd64 !arm64] <!nocheck> <x y>",
      ),
    ).toEqual([
      [{ name: "libc6", operator: ">=", version: "2.34" }],
      [
        { name: "python3", qualifier: "any" },
        { name: "perl", qualifier: "native" },
      ],
      [
        {
          name: "foo",
          operator: "=",
          version: "1:2-3",
          architectures: ["amd64", "!arm64"],
          profiles: [["!nocheck"], ["x", "y"]],
        },
      ],
    ]);
  });

  it("takes the obsolete operators for what they meant, and lets a field end in a comma", () => {
    expect(parseRelations("a (< 1), b(> 2), ")).toEqual([
      [{ name: "a", operator: "<=", version: "1" }],
      [{ name: "b", operator: ">=", version: "2" }],
    ]);
    expect(parseRelations(" ")).toEqual([]);
  });

  it("is undone by formatRelations", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(relation, { minLength: 1, maxLength: 3 }), { maxLength: 4 }),
        (groups) => {
          expect(parseRelations(formatRelations(groups))).toEqual(groups);
        },
      ),
    );
  });

  it("refuses what is no relation", () => {
    for (const text of ["a (>= )", "a (~ 1)", "a |", ", a", "a b", "a ) b", "(>= 1)", "a (>= 1", "a [x"]) {
      expect(() => parseRelations(text), text).toThrow(/Cannot read a relation/);
    }
  });

  it("answers or refuses any text, and quickly", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."ab ,|()<>[]:=!~\n"), maxLength: 200 }), (text) => {
        try {
          parseRelations(text);
        } catch (error) {
          expect(error).toHaveProperty("code", "ARCHIVE_CORRUPT");
        }
      }),
    );
  });
});

describe("satisfies", () => {
  it("compares as Debian does", () => {
    const holds = (operator: Relation["operator"], version: string) =>
      satisfies({ name: "x", operator: operator ?? "=", version: "1.0-1" }, version);
    expect(["<<", "<=", "=", ">=", ">>"].map((o) => holds(o as "=", "1.0-1"))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
    expect(holds("<<", "1.0~rc1-1")).toBe(true);
    expect(holds(">>", "1:0")).toBe(true);
  });

  it("lets no unversioned Provides satisfy a version", () => {
    expect(satisfies({ name: "x", operator: ">=", version: "1" }, undefined)).toBe(false);
    expect(satisfies({ name: "x" }, undefined)).toBe(true);
  });
});

describe("appliesTo", () => {
  it("follows architecture restrictions and profiles", () => {
    const [[plain, only, not, wild, profile]] = parseRelations(
      "a | b [amd64 i386] | c [!amd64] | d [linux-any] | e <!nocheck> <cross>",
    ) as [Relation[]];
    const on = (architecture: string, profiles: string[] = []) =>
      [plain, only, not, wild, profile].map((relation) => appliesTo(relation!, architecture, profiles));
    expect(on("amd64")).toEqual([true, true, false, true, true]);
    expect(on("arm64", ["nocheck"])).toEqual([true, false, true, true, false]);
    expect(on("arm64", ["nocheck", "cross"])[4]).toBe(true);
  });
});
