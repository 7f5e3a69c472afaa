import { describe, expect, it } from "vitest";
import { spareBuffers } from "./index.ts";

describe("spareBuffers", () => {
  it("gives a buffer to one at a time, and again when it was given back", () => {
    const spare = spareBuffers(16, 2);
    const [one, other] = [spare.take(), spare.take()];
    expect([one.length, one === other]).toEqual([16, false]);
    spare.giveBack(one);
    spare.giveBack(one);
    expect(spare.take()).toBe(one);
    expect(spare.take()).not.toBe(one);
  });

  it("keeps no more than it was told to", () => {
    const spare = spareBuffers(16, 1);
    const [one, other] = [spare.take(), spare.take()];
    spare.giveBack(one);
    spare.giveBack(other);
    expect(spare.take()).toBe(one);
    expect(spare.take()).not.toBe(other);
  });
});
