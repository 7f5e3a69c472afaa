import { describe, expect, it } from "vitest";
import { duration, plainList, quoted, quotedCharacter, quotedList } from "./go-format.ts";
import { destinationPath, normalized } from "./paths.ts";

// Expectations are what Go's strconv and time print.
describe("Go's formats", () => {
  it.each([
    ["\x07\b\f\r\n\t\v", String.raw`"\a\b\f\r\n\t\v"`],
    ["\\", String.raw`"\\"`],
    ["abc\u00ffdef", `"abcÿdef"`],
    ["\u263a", `"☺"`],
    ["\u0004", String.raw`"\x04"`],
    ["!\u00a0!\u2000!\u3000!", String.raw`"!\u00a0!\u2000!\u3000!"`],
    ["\x7f", String.raw`"\x7f"`],
  ])("quotes %j", (text, expected) => expect(quoted(text)).toBe(expected));

  it("prints lists", () => {
    expect(quotedList(["a", 'b "c"'])).toBe(String.raw`["a" "b \"c\""]`);
    expect(plainList(["a", "b"])).toBe("[a b]");
    expect(quotedList([])).toBe("[]");
  });

  it.each([
    [0, String.raw`'\x00'`],
    [3, String.raw`'\x03'`],
    [39, String.raw`'\''`],
    [34, `'"'`],
    [65, "'A'"],
  ])("quotes the character %i", (code, expected) => expect(quotedCharacter(code)).toBe(expected));

  it.each([
    [0, "0s"],
    [1100, "1.1µs"],
    [2_200_000, "2.2ms"],
    [3_300_000_000, "3.3s"],
    [245_000_000_000, "4m5s"],
    [245_001_000_000, "4m5.001s"],
    [18_367_001_000_000, "5h6m7.001s"],
  ])("prints %i ns as %s", (time, expected) => expect(duration(time)).toBe(expected));
});

describe("destinations", () => {
  it.each([
    ["/w", "x", "/w/x"],
    ["/w", "x/", "/w/x/"],
    ["/w", ".", "/w/"],
    ["", ".", "/"],
    ["/w", "/y/../z/.", "/z/."],
    ["/w", "../../..", "/"],
  ])("in %j, %j is %j", (directory, path, expected) => {
    expect(destinationPath(directory, path)).toBe(expected);
  });

  it("drops a slash where it means nothing", () => expect(normalized("/", "a/", "no slash")).toBe("/a"));
});
