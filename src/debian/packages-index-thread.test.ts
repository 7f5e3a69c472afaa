import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { packagesDirectory, packagesText } from "./packages-fixture.ts";
import { endIndexThread, makeIndexInThread } from "./packages-index-thread.ts";

it("gives no index to a thread that is ending", async () => {
  const text = packagesText([{ Package: "a" }]);
  const path = join(packagesDirectory(), "Packages");
  writeFileSync(path, text);
  const job = { path, sha256: createHash("sha256").update(text).digest("hex") };
  const { signal } = new AbortController();
  const first = Buffer.from(await makeIndexInThread(job, signal));
  const ending = endIndexThread();
  expect(first.equals(await makeIndexInThread(job, signal))).toBe(true);
  await ending;
  await endIndexThread();
});
