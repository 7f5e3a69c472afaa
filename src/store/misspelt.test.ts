import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { quietWork } from "../io/index.ts";
import { sampleImage } from "./sample-image.contract.ts";
import { openStore } from "./store.ts";
import { temporaryDirectory } from "./temporary.contract.ts";
import { readFrom } from "./transports.ts";

describe("a name that the store does not have", () => {
  it.each([
    ["wbe:1", "did you mean web:1? whittle images"],
    ["web", "did you mean web:1? whittle images"],
    ["localhost:5000/team/aip:2", "did you mean localhost:5000/team/api:2? whittle images"],
    ["postgres:17", "whittle images"],
  ])("%s comes with what was probably meant", async (name, hint) => {
    const store = await openStore(join(temporaryDirectory(), "store"), { create: true });
    const image = await sampleImage(store);
    for (const known of ["web:1", "localhost:5000/team/api:2"]) await store.tag(known, image);
    await expect(readFrom(name, quietWork, { store })).rejects.toMatchObject({
      code: "NOT_FOUND",
      hint: expect.stringMatching(new RegExp(`^${hint.replaceAll("?", "\\?")}`)),
    });
  });
});
