import fc from "fast-check";
import { expect, it } from "vitest";
import { rangeOf } from "./range.ts";

// RFC 9110, section 14.1.2.
it.each([
  [undefined, 10, undefined],
  ["bytes=0-4", 10, { start: 0, end: 5 }],
  ["bytes=5-", 10, { start: 5, end: 10 }],
  ["bytes=-3", 10, { start: 7, end: 10 }],
  ["bytes=-30", 10, { start: 0, end: 10 }],
  ["bytes=5-100", 10, { start: 5, end: 10 }],
  ["bytes=9-9", 10, { start: 9, end: 10 }],
  ["bytes=10-", 10, "none"],
  ["bytes=-0", 10, "none"],
  ["bytes=0-", 0, "none"],
  ["bytes=5-4", 10, "none"],
  ["bytes=-", 10, undefined],
  ["bytes=0-1,3-4", 10, undefined],
  ["lines=0-4", 10, undefined],
  ["bytes=a-b", 10, undefined],
])("%s of %i bytes", (header, size, expected) => {
  expect(rangeOf(header, size)).toEqual(expected);
});

it("stays within the bytes that there are", () => {
  const end = fc.oneof(fc.constant(""), fc.nat().map(String), fc.bigInt({ min: 0n }).map(String));
  fc.assert(
    fc.property(end, end, fc.nat(), (first, last, size) => {
      const range = rangeOf(`bytes=${first}-${last}`, size);
      if (range === undefined || range === "none") return;
      expect(range.start).toBeGreaterThanOrEqual(0);
      expect(range.end).toBeGreaterThan(range.start ?? 0);
      expect(range.end).toBeLessThanOrEqual(size);
    }),
  );
});
