import { describe, expect, it } from "vitest";
import { parseDuration } from "./duration.ts";

describe("parseDuration", () => {
  it.each([
    ["30s", 30e9],
    ["1m30s", 90e9],
    ["1.5h", 5400e9],
    ["250ms", 250e6],
    ["1us", 1e3],
    ["7ns", 7],
  ])("%s is %d ns", (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });
});
