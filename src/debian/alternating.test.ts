import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alternating } from "./alternating.ts";

const never = new AbortController().signal;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("alternating kinds of work", () => {
  it("never runs two kinds at once, and runs everything", async () => {
    const tasks = fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.nat(4), fc.boolean()));
    await fc.assert(
      fc.asyncProperty(tasks, async (plan) => {
        const running: string[] = [];
        const settled: string[] = [];
        const { run } = alternating<string>(async (before) => {
          expect(running).toEqual([]);
          settled.push(before);
          await turn();
        });
        const results = await Promise.allSettled(
          plan.map(async ([kind, turns, fails], index) => {
            for (let left = index % 3; left > 0; left--) await turn();
            return run(kind, never, async () => {
              running.push(kind);
              for (let left = turns; left > 0; left--) await turn();
              expect(new Set(running)).toEqual(new Set([kind]));
              running.splice(running.indexOf(kind), 1);
              if (fails) throw new Error("failed");
              return index;
            });
          }),
        );
        expect(results.map(({ status }) => status)).toEqual(
          plan.map(([, , fails]) => (fails ? "rejected" : "fulfilled")),
        );
        expect(settled.length).toBeLessThan(Math.max(1, plan.length));
      }),
    );
  });

  it("runs those of one kind side by side, and later ones of it before another kind", async () => {
    const order: string[] = [];
    const { run } = alternating<string>(async () => void order.push("settle"));
    const task = (kind: string, name: string): Promise<void> =>
      run(kind, never, async () => {
        order.push(`+${name}`);
        await turn();
        order.push(`-${name}`);
      });
    const first = [task("a", "a1"), task("b", "b1"), task("a", "a2")];
    await Promise.all(first);
    expect(order).toEqual(["+a1", "+a2", "-a1", "-a2", "settle", "+b1", "-b1"]);
  });

  it("stops waiting when it is told to", async () => {
    const { run } = alternating<string>(async () => undefined);
    const controller = new AbortController();
    let end = (): void => undefined;
    const first = run("a", never, () => new Promise<void>((resolve) => (end = resolve)));
    await turn();
    const second = run("b", controller.signal, async () => "ran");
    const third = run("b", never, async () => "ran");
    controller.abort(new Error("enough"));
    await expect(second).rejects.toThrow("enough");
    end();
    await first;
    expect(await third).toBe("ran");
    await expect(run("a", controller.signal, async () => "ran")).rejects.toThrow("enough");
    expect(await run("a", never, async () => "ran")).toBe("ran");
  });

  it("goes on when settling fails", async () => {
    const { run } = alternating<string>(async () => Promise.reject(new Error("no matter")));
    expect(await run("a", never, async () => 1)).toBe(1);
    expect(await run("b", never, async () => 2)).toBe(2);
  });
});
