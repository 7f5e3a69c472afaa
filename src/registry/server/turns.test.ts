import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Turns } from "./turns.ts";

/** Something that goes on until it is let go. */
function lasting(): { readonly act: () => Promise<string>; readonly end: () => void } {
  const { promise, resolve } = Promise.withResolvers<string>();
  return { act: () => promise, end: () => resolve("done") };
}

it("lets some in, has some wait in their order, and sends the others away", async () => {
  const turns = new Turns({ most: 2, waiting: 2, patience: 60_000 });
  const all = [lasting(), lasting(), lasting(), lasting()];
  const begun: number[] = [];
  const taken = all.map(({ act }, at) =>
    turns.take(() => {
      begun.push(at);
      return act();
    }),
  );
  await expect(turns.take(async () => "never")).rejects.toMatchObject({ code: "TOOMANYREQUESTS" });
  await sleep(0);
  expect(begun).toEqual([0, 1]);
  all[1]?.end();
  await taken[1];
  await sleep(0);
  expect(begun).toEqual([0, 1, 2]);
  for (const { end } of all) end();
  expect(await Promise.all(taken)).toEqual(["done", "done", "done", "done"]);
  expect(await turns.take(async () => "again")).toBe("again");
});

it("is free again after a failure", async () => {
  const turns = new Turns({ most: 1, waiting: 1, patience: 60_000 });
  await expect(turns.take(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await turns.take(async () => "yes")).toBe("yes");
});

it("tells who has waited for long to come again, and gives nobody's place to him", async () => {
  const turns = new Turns({ most: 1, waiting: 5, patience: 10 });
  const first = lasting();
  const taken = turns.take(first.act);
  await expect(turns.take(async () => "never")).rejects.toMatchObject({ code: "TOOMANYREQUESTS" });
  first.end();
  expect(await taken).toBe("done");
  expect(await turns.take(async () => "later")).toBe("later");
});
