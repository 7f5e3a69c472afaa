import { describe, expect, it } from "vitest";
import { inOrder } from "./blocks.ts";

async function* numbers(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i;
}

async function collected<T>(results: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const result of results) all.push(result);
  return all;
}

/** Jobs that end when they are told to. */
class Jobs {
  readonly begun: number[] = [];
  readonly #ends = new Map<number, () => void>();

  readonly run = (item: number): Promise<number> => {
    this.begun.push(item);
    return new Promise((resolve) => this.#ends.set(item, () => resolve(item)));
  };

  async end(item: number): Promise<void> {
    this.#ends.get(item)?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("inOrder", () => {
  it("gives results in the order of the items, whichever is done first", async () => {
    const jobs = new Jobs();
    const results = collected(inOrder(numbers(3), jobs.run, 3));
    await jobs.end(-1);
    for (const item of [2, 0, 1]) await jobs.end(item);
    expect(await results).toEqual([0, 1, 2]);
  });

  it("lets short jobs go on while a long one is not done, up to a bound", async () => {
    const jobs = new Jobs();
    const results = collected(inOrder(numbers(20), jobs.run, 2));
    await jobs.end(-1);
    for (let item = 1; item < 20; item++) await jobs.end(item);
    expect(jobs.begun.length).toBe(9);
    await jobs.end(0);
    for (let item = 9; item < 20; item++) await jobs.end(item);
    expect(await results).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  it("fails when the turn of the job that failed comes", async () => {
    const seen: number[] = [];
    const failing = async (): Promise<void> => {
      const job = async (item: number): Promise<number> => {
        if (item === 2) throw new Error("the third");
        return item;
      };
      for await (const result of inOrder(numbers(9), job, 3)) seen.push(result);
    };
    await expect(failing()).rejects.toThrow("the third");
    expect(seen).toEqual([0, 1]);
  });
});
