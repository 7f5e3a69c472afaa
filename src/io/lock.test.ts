import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { holdLock, tryLock, withLock } from "./lock.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "whittle-lock-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const lockModule = new URL("./lock.ts", import.meta.url).href;

/** Runs a script that has `withLock` in another process; the result settles when it ends. */
function inProcess(body: string): { output: Promise<string>; kill: () => void; line: Promise<void> } {
  const source = `import { withLock } from ${JSON.stringify(lockModule)};
    import fs from "node:fs"; const lock = ${JSON.stringify(join(directory, "lock"))}; const dir = ${JSON.stringify(directory)};
    ${body}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  let said = (): void => undefined;
  const line = new Promise<void>((resolve) => {
    said = resolve;
  });
  child.stdout.on("data", (data: Buffer) => {
    text += data.toString();
    said();
  });
  const output = new Promise<string>((resolve) => child.on("close", () => resolve(text)));
  return { output, kill: () => child.kill("SIGKILL"), line };
}

describe("withLock", () => {
  it("lets one at a time in, within a process and across processes", async () => {
    await writeFile(join(directory, "count"), "0");
    const increment = `for (let i = 0; i < 15; i++) await withLock(lock, async () => {
      const n = Number(fs.readFileSync(dir + "/count", "utf8"));
      await new Promise((r) => setTimeout(r, 1));
      fs.writeFileSync(dir + "/count", String(n + 1));
    });`;
    const others = [inProcess(increment), inProcess(increment), inProcess(increment)];
    const own = Array.from({ length: 15 }, () =>
      withLock(join(directory, "lock"), async () => {
        const n = Number(await readFile(join(directory, "count"), "utf8"));
        await writeFile(join(directory, "count"), String(n + 1));
      }),
    );
    await Promise.all([...own, ...others.map((other) => other.output)]);
    expect(await readFile(join(directory, "count"), "utf8")).toBe("60");
    expect(await readdir(join(directory, "lock"))).toEqual([]);
  });

  it("gives the lock of a killed process to the next", async () => {
    const holder = inProcess(`await withLock(lock, async () => {
      fs.writeSync(1, "held\\n");
      await new Promise((r) => setTimeout(r, 60_000));
    });`);
    await holder.line;
    expect(await readdir(join(directory, "lock"))).toHaveLength(1);
    holder.kill();
    await holder.output;
    expect(await withLock(join(directory, "lock"), async () => "mine")).toBe("mine");
    expect(await readdir(join(directory, "lock"))).toEqual([]);
  });

  it("lets readers in together and keeps a writer out", async () => {
    const lock = join(directory, "lock");
    const events: string[] = [];
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let inside = 0;
    const reader = (): Promise<void> =>
      withLock(
        lock,
        async () => {
          if (++inside === 2) release();
          await gate;
          events.push("read");
        },
        { shared: true },
      );
    const readers = [reader(), reader()];
    await gate;
    const writer = withLock(lock, async () => void events.push("write"));
    await Promise.all([...readers, writer]);
    expect(events).toEqual(["read", "read", "write"]);
  });

  it("stops waiting when told to, and leaves nothing behind", async () => {
    const lock = join(directory, "lock");
    const abort = new AbortController();
    await withLock(lock, async () => {
      const waiting = withLock(lock, async () => "never", { signal: abort.signal });
      setTimeout(() => abort.abort(new Error("enough")), 20);
      await expect(waiting).rejects.toThrow();
      expect(await readdir(lock)).toHaveLength(1);
    });
  });

  it("says what it was wanted for when it cannot be had, without the names of tickets", async () => {
    await writeFile(join(directory, "file"), "");
    const path = join(directory, "file", "lock");
    const lock = withLock(path, async () => undefined, { doing: "change the store" });
    await expect(lock).rejects.toThrow(`Cannot change the store (${path}): `);
  });

  it("gives the lock back when the work fails", async () => {
    const lock = join(directory, "lock");
    await expect(withLock(lock, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await withLock(lock, async () => 1)).toBe(1);
  });
});

describe("tryLock", () => {
  it("has what nobody holds, and does not wait for what somebody holds", async () => {
    const lock = join(directory, "lock");
    const held = await tryLock(lock);
    expect(held).toBeDefined();
    expect(await tryLock(lock)).toBeUndefined();
    expect(await tryLock(lock, { shared: true })).toBeUndefined();
    await held?.release();
    const [one, other] = [await tryLock(lock, { shared: true }), await tryLock(lock, { shared: true })];
    expect([one, other]).not.toContain(undefined);
    expect(await tryLock(lock)).toBeUndefined();
    await one?.release();
    await other?.release();
    const again = await holdLock(lock);
    await again.release();
    expect(await readdir(lock)).toEqual([]);
  });

  it("is had by all who share it, however close together they ask", async () => {
    const asked = Array.from({ length: 20 }, () => tryLock(join(directory, "lock"), { shared: true }));
    expect(await Promise.all(asked)).not.toContain(undefined);
  });

  it("is had by one at most of those who want it alone", async () => {
    const asked = Array.from({ length: 20 }, () => tryLock(join(directory, "lock")));
    const held = (await Promise.all(asked)).filter((lock) => lock !== undefined);
    expect(held.length).toBeLessThan(2);
  });

  it("is not held by a process that was killed", async () => {
    const { kill, line, output } = inProcess(
      `await withLock(lock, () => { console.log("in"); return new Promise((r) => setTimeout(r, 60_000)); });`,
    );
    await line;
    expect(await tryLock(join(directory, "lock"))).toBeUndefined();
    kill();
    await output;
    expect(await tryLock(join(directory, "lock"))).toBeDefined();
  });
});
