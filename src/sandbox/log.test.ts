import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nextHealth } from "./health.ts";
import { type LogLine, LogWriter, parseLogLimits } from "./log.ts";
import { readLog } from "./read-log.ts";
import type { Health } from "./state.ts";

describe("a container's log", () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "whittle-log-"));
  });

  afterEach(() => rm(directory, { recursive: true }));

  const texts = async (lines: AsyncIterable<LogLine>): Promise<string[]> => {
    const found: string[] = [];
    for await (const { stream, text } of lines) found.push(`${stream}: ${text}`);
    return found;
  };

  it("keeps lines of both streams, characters cut in two, and a last line without an end", async () => {
    const log = new LogWriter(directory);
    const bytes = Buffer.from("grün\nrest");
    log.write(bytes.subarray(0, 3), "stdout");
    log.write(Buffer.from("oops\n"), "stderr");
    log.write(bytes.subarray(3), "stdout");
    log.close();
    expect(await texts(readLog(directory))).toEqual(["stderr: oops\n", "stdout: grün\n", "stdout: rest"]);
    expect(await texts(readLog(directory, { tail: 1 }))).toEqual(["stdout: rest"]);
    expect(await texts(readLog(directory, { tail: 0 }))).toEqual([]);
  });

  it("follows until nothing more can come", async () => {
    const log = new LogWriter(directory);
    log.write(Buffer.from("one\n"), "stdout");
    let asked = 0;
    const follow = async (): Promise<boolean> => {
      log.write(Buffer.from(`more ${++asked}\n`), "stdout");
      return asked < 3;
    };
    expect(await texts(readLog(directory, { follow }))).toEqual([
      "stdout: one\n",
      "stdout: more 1\n",
      "stdout: more 2\n",
      "stdout: more 3\n",
    ]);
    log.close();
  });

  it("sets the file aside when it is large, and cuts endless lines", async () => {
    const log = new LogWriter(directory);
    for (let i = 0; i < 12; i++) log.write(Buffer.alloc(1024 * 1024, "x"), "stdout");
    log.close();
    expect((await readdir(directory)).sort()).toEqual(["container.log", "container.log.1"]);
    const found = await texts(readLog(directory));
    expect(found.every((text) => text.length <= 16 * 1024 + 8)).toBe(true);
  });

  it("keeps so many files, and is followed from one to the next", async () => {
    const log = new LogWriter(directory, { maxSize: 400, maxFiles: 3 });
    let written = 0;
    const write = (): void => log.write(Buffer.from(`line ${++written}\n`), "stdout");
    write();
    let asked = 0;
    const follow = async (): Promise<boolean> => {
      // More than one file's worth at a time.
      for (let i = 0; i < 10; i++) write();
      return ++asked < 4;
    };
    const followed = await texts(readLog(directory, { follow }));
    expect(followed).toEqual(Array.from({ length: 41 }, (_, index) => `stdout: line ${index + 1}\n`));
    log.close();
    expect((await readdir(directory)).sort()).toEqual([
      "container.log",
      "container.log.1",
      "container.log.2",
    ]);
    const kept = await texts(readLog(directory));
    expect(kept.length).toBeLessThan(20);
    expect(kept).toEqual(followed.slice(-kept.length));
    expect(await texts(readLog(directory, { tail: 3 }))).toEqual(followed.slice(-3));
  });

  it("goes on with the oldest file that is left when it was outrun", async () => {
    const log = new LogWriter(directory, { maxSize: 200, maxFiles: 2 });
    log.write(Buffer.from("first\n"), "stdout");
    let asked = 0;
    const follow = async (): Promise<boolean> => {
      for (let i = 0; i < 20; i++) log.write(Buffer.from(`${i}\n`), "stdout");
      return ++asked < 1;
    };
    const found = await texts(readLog(directory, { follow }));
    expect([found[0], found.at(-1)]).toEqual(["stdout: first\n", "stdout: 19\n"]);
    log.close();
  });

  it("shows a span of time", async () => {
    const log = new LogWriter(directory);
    log.write(Buffer.from("now\n"), "stdout");
    log.close();
    const hour = 3_600_000;
    expect(await texts(readLog(directory, { since: Date.now() - hour }))).toEqual(["stdout: now\n"]);
    expect(await texts(readLog(directory, { since: Date.now() + hour }))).toEqual([]);
    expect(await texts(readLog(directory, { until: Date.now() - hour }))).toEqual([]);
  });

  it("is empty where nothing was written", async () => {
    expect(await texts(readLog(join(directory, "absent")))).toEqual([]);
  });
});

describe("parseLogLimits", () => {
  it("reads Docker's options", () => {
    expect(parseLogLimits([])).toEqual({ maxSize: 10 * 2 ** 20, maxFiles: 3 });
    expect(parseLogLimits(["max-size=64k", "max-file=5"])).toEqual({ maxSize: 65536, maxFiles: 5 });
  });

  it.each([["max-size=0"], ["max-size=x"], ["max-file=0"], ["max-file=3m"], ["tag=x"], [""]])(
    "refuses %j",
    (text) => expect(() => parseLogLimits([text])).toThrow(/^Cannot keep the output/),
  );
});

describe("nextHealth", () => {
  const healthAfter = (checks: readonly boolean[], inStartPeriod = false): Health =>
    checks.reduce<Health>((health, ok) => nextHealth(health, ok, "", 3, inStartPeriod), {
      status: "starting",
      failingStreak: 0,
      output: "",
    });

  it.each([
    [[], "starting"],
    [[true], "healthy"],
    [[false, false], "starting"],
    [[false, false, false], "unhealthy"],
    [[true, false, false], "healthy"],
    [[true, false, false, false], "unhealthy"],
    [[false, false, false, true], "healthy"],
  ])("after %j it is %s", (checks, status) => {
    expect(healthAfter(checks as boolean[]).status).toBe(status);
  });

  it("does not count failures of the start period", () => {
    expect(healthAfter([false, false, false, false], true)).toMatchObject({
      status: "starting",
      failingStreak: 0,
    });
  });
});
