import { describe, expect, it } from "vitest";
import { goBytes, goJson, unlessEmpty } from "./go-json.ts";

describe("JSON as Go writes it", () => {
  // Go 1.24: `json.Marshal`, of which the documentation says what is escaped.
  it.each([
    ["<a>&'\"", String.raw`"\u003ca\u003e\u0026'\""`],
    ["\u2028\u2029", String.raw`"\u2028\u2029"`],
    ["\b\f\n\r\t\u0000\u001f", String.raw`"\b\f\n\r\t\u0000\u001f"`],
    ["\u007f", '"\u007f"'],
    ["ü😀\\/", String.raw`"ü😀\\/"`],
  ])("%j", (text, json) => {
    expect(goJson(text)).toBe(json);
  });

  it("has numbers of nanoseconds in full, and members in their order", () => {
    expect(goJson({ b: 1_700_000_000 * 1e9, a: -1, c: undefined })).toBe('{"b":1700000000000000000,"a":-1}');
  });

  it("leaves zero values out where it is told to", () => {
    expect(["", 0, false, [], "a", -1, true, [0]].map((value) => unlessEmpty(value))).toEqual([
      ...[undefined, undefined, undefined, undefined],
      ...["a", -1, true, [0]],
    ]);
  });

  it("has bytes in base64", () => {
    expect(goBytes("ü\n")).toBe("w7wK");
  });
});
