import { describe, expect, it } from "vitest";
import { formatBytes, formatDuration, formatTable } from "./format.ts";
import { printable } from "./paint.ts";

describe("formatBytes", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [12_345, "12.3 kB"],
    [999_499, "999 kB"],
    [999_999, "1.00 MB"],
    [15_300_000, "15.3 MB"],
    [123_456_789, "123 MB"],
    [5e12, "5.00 TB"],
    [5e15, "5000 TB"],
  ])("%d is %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe("formatDuration", () => {
  it.each([
    [85.4, "85 ms"],
    [1300, "1.3 s"],
    [125_000, "2 min 5 s"],
  ])("%d ms is %s", (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });
});

describe("formatTable", () => {
  it("aligns columns, colours not counted, without trailing blanks", () => {
    const columns = [{ title: "NAME" }, { title: "SIZE", align: "right" as const }, { title: "X" }];
    const rows = [
      ["a", "1", ""],
      ["\u001b[31mlonger\u001b[39m", "100", "y"],
    ];
    expect(formatTable(columns, rows)).toBe(
      "NAME    SIZE  X\na          1\n\u001b[31mlonger\u001b[39m   100  y\n",
    );
  });
});

describe("printable", () => {
  it("leaves no control character that a terminal would obey", () => {
    expect(printable("a\u001b[2Jb\u0007\u009bc\td\ne")).toBe("a\\x1b[2Jb\\x07\\x9bc\td\ne");
  });
});
