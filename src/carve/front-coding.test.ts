import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WhittleError } from "../io/index.ts";
import { frontCode, frontDecode } from "./front-coding.ts";

describe("front coding", () => {
  it("shares what names have in common", () => {
    expect(frontCode(["/usr", "/usr/bin", "/usr/bin/nginx"])).toBe("0 /usr\n4 /bin\n8 /nginx");
  });

  it("reads back what it wrote", () =>
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme", minLength: 1 })), (texts) => {
        expect(frontDecode(frontCode(texts))).toEqual(texts);
      }),
    ));

  it.each(["x", "1 a", " a", "0 a\n9 b", '0 "', "0 \\"])("refuses %j", (code) => {
    expect(() => frontDecode(code)).toThrow(WhittleError);
  });
});
