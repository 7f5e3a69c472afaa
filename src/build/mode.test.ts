import { describe, expect, it } from "vitest";
import { parseMode } from "./mode.ts";

// Expected values were taken from GNU chmod 9.1 with umask 0.
const cases: [string, number, boolean, number][] = [
  ["0755", 0o600, false, 0o755],
  ["755", 0o600, true, 0o755],
  ["4755", 0o600, false, 0o4755],
  ["a=rX", 0o600, false, 0o444],
  ["a=rX", 0o700, false, 0o555],
  ["a=rX", 0o700, true, 0o555],
  ["u=rwX,go=rX", 0o600, false, 0o644],
  ["u=rwX,go=rX", 0o600, true, 0o755],
  ["go-w", 0o666, false, 0o644],
  ["+x", 0o644, false, 0o755],
  ["u+s", 0o755, false, 0o4755],
  ["g+s", 0o755, true, 0o2755],
  ["+t", 0o777, true, 0o1777],
  ["g=u", 0o740, false, 0o770],
  ["o=g", 0o750, false, 0o755],
  ["u=", 0o755, false, 0o055],
  ["u+r-w", 0o300, false, 0o500],
];

describe("parseMode", () => {
  it.each(cases)("%s over %o (directory: %s) gives %o", (text, before, directory, after) => {
    expect(parseMode(text)(before, directory)).toBe(after);
  });

  it.each(["", "8", "u", "q=r", "u=rw,", "07777777", "a=rX "])("refuses %j", (text) => {
    expect(() => parseMode(text)).toThrow(/Cannot read the mode/);
  });
});
