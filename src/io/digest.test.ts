import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, digestOfJson } from "./index.ts";

/** The same value with the keys of all its objects in another order. */
function turned(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(turned);
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, turned(member)]),
  );
}

describe("canonical JSON", () => {
  it("is JSON of the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("does not depend on the order of keys", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(turned(value))).toBe(canonicalJson(value));
        expect(digestOfJson(turned(value))).toBe(digestOfJson(value));
      }),
    );
  });

  it("sorts keys and has no white space", () => {
    expect(canonicalJson({ b: [1, { d: null, c: "x y" }], a: true })).toBe(
      '{"a":true,"b":[1,{"c":"x y","d":null}]}',
    );
  });

  it("leaves out what JSON leaves out", () => {
    const value = { a: undefined, b: [undefined, () => 1], c: Number.NaN, d: new Date(0), e: () => 1 };
    expect(canonicalJson(value)).toBe('{"b":[null,null],"c":null,"d":"1970-01-01T00:00:00.000Z"}');
  });
});
