import { describe, expect, it } from "vitest";
import { type Digest, noProgress, type ProgressEvent, sha256, WhittleError } from "../io/index.ts";
import type { Executor } from "./executor.ts";
import type { Json, Outcome, Step } from "./graph.ts";
import { stepsOf } from "./graph.ts";
import type { OutcomeCache } from "./outcome-cache.ts";
import { Solver } from "./solver.ts";

function memoryCache(): OutcomeCache & { readonly entries: Map<Digest, Outcome> } {
  const entries = new Map<Digest, Outcome>();
  return {
    entries,
    get: async (key) => entries.get(key),
    set: async (key, outcome) => void entries.set(key, outcome),
  };
}

/** A step whose value is its text with its inputs' values in brackets. */
function text(value: string, inputs: Record<string, Step> = {}): Step {
  return { kind: "text", label: value, parameters: { value }, inputs };
}

function textExecutor(ran: string[], map: (value: string) => string = (value) => value): Executor {
  const valueFor = async (
    step: Step,
    inputs: Record<string, { value<V>(): Promise<V> }>,
  ): Promise<string> => {
    const parts = await Promise.all(Object.values(inputs).map((input) => input.value<string>()));
    return map(`${(step.parameters as { value: string }).value}[${parts.join(",")}]`);
  };
  return {
    kind: "text",
    version: 1,
    cached: true,
    async run(step, inputs) {
      ran.push(step.label ?? "");
      const value = await valueFor(step, inputs);
      return { digest: sha256(value), record: value as Json, value };
    },
    load: async (_step, outcome) => outcome.record,
  };
}

const live = new AbortController().signal;

describe("Solver", () => {
  it("runs a shared input once and gives every value", async () => {
    const ran: string[] = [];
    const a = text("a");
    const end = text("end", { left: text("b", { a }), right: text("c", { a }) });
    const solver = new Solver({
      executors: [textExecutor(ran)],
      cache: memoryCache(),
      progress: noProgress,
      signal: live,
    });
    expect(await (await solver.solve(end)).value()).toBe("end[b[a[]],c[a[]]]");
    expect(ran.sort()).toEqual(["a", "b", "c", "end"]);
  });

  it("tells executors what to expect while the step below is run, and not when nothing is", async () => {
    const told: string[] = [];
    const plain = textExecutor(told);
    const executors: Executor[] = [
      { ...plain, expect: ({ label }) => void told.push(`expect ${label}`) },
      { ...plain, kind: "outside", cached: false },
    ];
    const cache = memoryCache();
    const options = { executors, cache, progress: noProgress, signal: live };
    const context: Step = { ...text("context"), kind: "outside" };
    const end = text("end", { middle: text("middle", { context }) });
    await new Solver(options).solve(end);
    expect(told).toEqual(["context", "expect end", "middle", "end"]);
    told.length = 0;
    await new Solver(options).solve(end);
    expect(told).toEqual(["context"]);
    told.length = 0;
    const between: Step = { ...text("between", { first: text("first") }), kind: "outside" };
    await new Solver(options).solve(text("last", { between }));
    expect(told).toEqual(["expect last", "first", "between", "last"]);
  });

  describe("of an outcome whose blobs are on their way", () => {
    const place = () => {
      const cache = memoryCache();
      const ran: string[] = [];
      const blobs = Promise.withResolvers<void>();
      const plain = textExecutor(ran);
      const slow: Executor = {
        ...plain,
        kind: "slow",
        run: async (...order) => ({ ...(await plain.run(...order)), settled: blobs.promise }),
      };
      const reader: Executor = {
        ...plain,
        kind: "reader",
        async run(step, inputs, context) {
          await inputs["below"]?.settled;
          return plain.run(step, inputs, context);
        },
      };
      const failing: Executor = { ...plain, kind: "failing", run: () => Promise.reject(new Error("no")) };
      const solver = new Solver({
        executors: [plain, slow, reader, failing],
        cache,
        progress: noProgress,
        signal: live,
      });
      const below: Step = { ...text("below"), kind: "slow" };
      return { cache, ran, blobs, solver, below };
    };

    it("goes on with what stands on it, and keeps it and is done when they are there", async () => {
      const { cache, ran, blobs, solver, below } = place();
      let isDone = false;
      const solving = solver.solve(text("end", { below })).then(() => {
        isDone = true;
      });
      await expect.poll(() => ran).toEqual(["below", "end"]);
      expect([cache.entries.size, isDone]).toEqual([1, false]);
      blobs.resolve();
      await solving;
      expect(cache.entries.size).toBe(2);
    });

    it("lets those wait for them who read them", async () => {
      const { ran, blobs, solver, below } = place();
      const solving = solver.solve({ ...text("end", { below }), kind: "reader" });
      await expect.poll(() => ran).toEqual(["below"]);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(ran).toEqual(["below"]);
      blobs.resolve();
      await solving;
      expect(ran).toEqual(["below", "end"]);
    });

    it("fails when they do not come, and keeps nothing of it", async () => {
      const { cache, ran, blobs, solver, below } = place();
      const solving = solver.solve(text("end", { middle: text("middle", { below }) }));
      await expect.poll(() => ran).toEqual(["below", "middle", "end"]);
      blobs.reject(new Error("no space"));
      await expect(solving).rejects.toThrow("no space");
      await expect(solver.solve(text("other", { below }))).rejects.toThrow("no space");
      expect([...cache.entries.values()].map(({ record }) => record)).not.toContain("below[]");
    });

    it("waits for them also when something else has failed", async () => {
      const { blobs, solver, below } = place();
      let isDone = false;
      const failing: Step = { ...text("end", { below }), kind: "failing" };
      const solving = solver.solve(failing).catch(() => {
        isDone = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(isDone).toBe(false);
      blobs.resolve();
      await solving;
      expect(isDone).toBe(true);
    });
  });

  it("tells a step what stands on it in this build", async () => {
    const told = new Map<string, string[]>();
    const executor: Executor = {
      kind: "text",
      version: 1,
      cached: false,
      run: async (step, _inputs, { key, dependents }) => {
        told.set(
          step.label ?? "",
          dependents.map(({ label }) => label ?? ""),
        );
        return { digest: key, record: null };
      },
    };
    const a = text("a");
    const b = text("b", { a });
    const solver = new Solver({
      executors: [executor],
      cache: memoryCache(),
      progress: noProgress,
      signal: live,
    });
    await Promise.all([solver.solve(text("end", { left: b, right: text("c", { a }) })), solver.solve(b)]);
    expect(Object.fromEntries(told)).toEqual({ a: ["b", "c"], b: ["end"], c: ["end"], end: [] });
  });

  it("runs equal steps once even when they are different objects", async () => {
    const ran: string[] = [];
    const solver = new Solver({
      executors: [textExecutor(ran)],
      cache: memoryCache(),
      progress: noProgress,
      signal: live,
    });
    await solver.solve(text("end", { x: text("same"), y: text("same") }));
    expect(ran).toEqual(["same", "end"]);
  });

  it("runs nothing in a second build, and everything with noCache", async () => {
    const cache = memoryCache();
    const graph = (): Step => text("end", { a: text("a") });
    const build = async (noCache: boolean): Promise<string[]> => {
      const ran: string[] = [];
      await new Solver({
        executors: [textExecutor(ran)],
        cache,
        progress: noProgress,
        signal: live,
        noCache,
      }).solve(graph());
      return ran;
    };
    expect(await build(false)).toEqual(["a", "end"]);
    expect(await build(false)).toEqual([]);
    expect(await build(true)).toEqual(["a", "end"]);
  });

  it("stops rebuilding where a changed step comes to the same result", async () => {
    const cache = memoryCache();
    const ran: string[] = [];
    // The value ignores the part after "#", as carving ignores the contents of data files.
    const executor = textExecutor(ran, (value) => value.replace(/#[^[]*/, ""));
    const build = (value: string) =>
      new Solver({ executors: [executor], cache, progress: noProgress, signal: live }).solve(
        text("end", { a: text(value) }),
      );
    await build("a#1");
    ran.length = 0;
    await build("a#2");
    expect(ran).toEqual(["a#2"]);
  });

  it("reports the first failure in order and leaves no promise behind", async () => {
    const failing: Executor = {
      kind: "fail",
      version: 1,
      cached: true,
      run: async (step) => {
        throw new WhittleError("ROOT_MISSING", step.label ?? "");
      },
    };
    const end = text("end", {
      one: { kind: "fail", label: "first", parameters: 1, inputs: {} },
      two: { kind: "fail", label: "second", parameters: 2, inputs: {} },
    });
    const solver = new Solver({
      executors: [failing, textExecutor([])],
      cache: memoryCache(),
      progress: noProgress,
      signal: live,
    });
    await expect(solver.solve(end)).rejects.toThrow("first");
  });

  it("stops when it is told to, and says so in its events", async () => {
    const controller = new AbortController();
    const events: ProgressEvent[] = [];
    const stopping: Executor = {
      kind: "text",
      version: 1,
      cached: true,
      run: async () => {
        controller.abort();
        return { digest: sha256("x"), record: null };
      },
    };
    const solver = new Solver({
      executors: [stopping],
      cache: memoryCache(),
      progress: (event) => void events.push(event),
      signal: controller.signal,
    });
    await expect(solver.solve(text("end", { a: text("a") }))).rejects.toMatchObject({ code: "INTERRUPTED" });
    expect(events.at(-1)).toMatchObject({ kind: "done", outcome: "cancelled" });
  });
});

describe("stepsOf", () => {
  it("lists every step once, inputs first", () => {
    const a = text("a");
    const b = text("b", { a });
    expect([...stepsOf([text("end", { a, b })])].map((step) => step.label)).toEqual(["a", "b", "end"]);
  });

  it("believes outcomes whose blobs are gone until somebody wants the value, then runs what it needs again", async () => {
    const first: string[] = [];
    const steps = (changed: string): Step => {
      const a = text("a");
      const b = text("b", { a });
      return text(changed, { b });
    };
    const memory = memoryCache();
    const lazy = (ran: string[]): Executor => ({ ...textExecutor(ran), lazy: true });
    const solver = (ran: string[], gone: (outcome: Outcome) => boolean): Solver =>
      new Solver({
        executors: [lazy(ran)],
        cache: { ...memory, bring: async (outcome) => !gone(outcome) },
        progress: noProgress,
        signal: live,
      });
    await solver(first, () => false).solve(steps("end"));
    expect(first).toEqual(["a", "b", "end"]);
    const unchanged: string[] = [];
    expect((await solver(unchanged, () => true).solve(steps("end"))).record).toBe("end[b[a[]]]");
    expect(unchanged).toEqual([]);
    const changed: string[] = [];
    const both = solver(changed, () => true);
    const ends = await Promise.all([both.solve(steps("new")), both.solve(steps("other"))]);
    expect(ends.map(({ record }) => record)).toEqual(["new[b[a[]]]", "other[b[a[]]]"]);
    expect(changed.filter((name) => name === "a")).toEqual(["a"]);
    expect(changed.filter((name) => name === "b").length).toBeGreaterThan(0);
  });

  describe("where steps go by other names as well", () => {
    const place = (found: Readonly<Record<string, string>>) => {
      const ran: string[] = [];
      const searched: string[] = [];
      const memory = memoryCache();
      const gone = new Set<string>();
      const solver = (settings: { noCache?: boolean; executor?: Partial<Executor> } = {}): Solver =>
        new Solver({
          executors: [{ ...textExecutor(ran), lazy: true, ...settings.executor }],
          cache: {
            ...memory,
            bring: async ({ record }) => !gone.has(String(record)),
            async search({ step, inputs }) {
              searched.push(step.label ?? "");
              const value = found[step.label ?? ""];
              if (value === undefined) return undefined;
              const below = Object.values(inputs).map(({ digest }) => digest);
              return { digest: sha256(`${below} ${value}`), record: value, blobs: [sha256(value)] };
            },
          },
          progress: noProgress,
          signal: live,
          ...(settings.noCache === undefined ? {} : { noCache: settings.noCache }),
        });
      return { ran, searched, memory, gone, solver };
    };
    const graph = (): Step => text("end", { middle: text("middle", { first: text("first") }) });

    it("takes what is found instead of running it, and keeps it under its key", async () => {
      const { ran, searched, memory, solver } = place({ first: "FIRST", middle: "MIDDLE" });
      const solved = await solver().solve(graph());
      expect([solved.record, ran]).toEqual(["end[MIDDLE]", ["end"]]);
      expect(searched).toEqual(["first", "middle", "end"]);
      expect([...memory.entries.values()].map(({ record }) => record)).toEqual([
        "FIRST",
        "MIDDLE",
        "end[MIDDLE]",
      ]);
      searched.length = 0;
      expect((await solver().solve(graph())).fromCache).toBe(true);
      expect(searched).toEqual([]);
    });

    it("does not look for what is to be run in any case", async () => {
      const { ran, searched, solver } = place({ first: "FIRST", middle: "MIDDLE", end: "END" });
      await solver({ noCache: true }).solve(graph());
      expect([ran, searched]).toEqual([["first", "middle", "end"], []]);
      const fresh = text("end", { first: { ...text("first"), fresh: true } });
      await solver().solve(fresh);
      expect(searched).toEqual(["end"]);
    });

    it("runs what is found and not to be had once its value is wanted", async () => {
      const { ran, gone, solver } = place({ first: "FIRST", middle: "MIDDLE" });
      gone.add("MIDDLE").add("FIRST");
      const { record } = await solver().solve(graph());
      expect([record, ran]).toEqual(["end[middle[first[]]]", ["end", "first", "end", "middle", "end"]]);
    });

    it("runs what is found and turns out to be damaged, and says so", async () => {
      const { ran, solver } = place({ middle: "MIDDLE" });
      const load = async (): Promise<unknown> => {
        throw new WhittleError("DIGEST_MISMATCH", "other bytes");
      };
      const { record } = await solver({ executor: { load } }).solve(text("end", { middle: text("middle") }));
      expect([record, ran]).toEqual(["end[middle[]]", ["end", "middle", "end"]]);
      const other = place({ middle: "MIDDLE" }).solver({
        executor: { load: () => Promise.reject(new WhittleError("DISK_FULL", "no space")) },
      });
      await expect(other.solve(text("end", { middle: text("middle") }))).rejects.toThrow("no space");
    });

    it("tries again when looking for one step took the value of another that is gone", async () => {
      const { ran, memory, searched } = place({});
      const first = text("first");
      const end = text("end", { first });
      const solver = new Solver({
        executors: [{ ...textExecutor(ran), lazy: true }],
        cache: {
          ...memory,
          bring: async () => false,
          async search({ step, inputs }) {
            searched.push(step.label ?? "");
            if (step === first) return { digest: sha256("x"), record: "GONE", blobs: [sha256("x")] };
            const value = await inputs["first"]?.value<string>();
            return { digest: sha256("y"), record: `found over ${value}` };
          },
        },
        progress: noProgress,
        signal: live,
      });
      const solved = await solver.solve(end);
      expect([solved.record, ran, searched]).toEqual([
        "found over first[]",
        ["first"],
        ["first", "end", "end"],
      ]);
    });
  });

  it("runs a step that is to be fresh, and what stands on it only when it comes to something else", async () => {
    const memory = memoryCache();
    const ran: string[] = [];
    const solve = (a: Step): Promise<unknown> =>
      new Solver({ executors: [textExecutor(ran)], cache: memory, progress: noProgress, signal: live }).solve(
        text("end", { a }),
      );
    await solve(text("a"));
    await solve({ ...text("a"), fresh: true });
    expect(ran).toEqual(["a", "end", "a"]);
  });
});
