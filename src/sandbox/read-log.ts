import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { type LogLine, logFile } from "./log.ts";

export interface ReadLogOptions {
  /** Only so many lines from the end. */
  readonly tail?: number;
  /** Only what was written from this moment on (milliseconds since the epoch). */
  readonly since?: number;
  /** Only what was written before this moment. */
  readonly until?: number;
  /** Go on with what is written from now on, as long as this says that more may come. */
  readonly follow?: () => Promise<boolean>;
  readonly signal?: AbortSignal;
}

const pollEvery = 100;

/** Reads what a container wrote, the oldest first, from all files that are kept. */
export async function* readLog(
  directory: string,
  { tail, since = 0, until = Number.POSITIVE_INFINITY, follow, signal }: ReadLogOptions = {},
): AsyncGenerator<LogLine, void, undefined> {
  const reader = await LogReader.open(directory);
  try {
    const wanted = ({ time }: LogLine): boolean => {
      const moment = Date.parse(time);
      return !(moment < since) && !(moment >= until);
    };
    if (tail === undefined) {
      for await (const line of reader.rest()) if (wanted(line)) yield line;
    } else {
      yield* await lastOf(reader.rest(), wanted, tail);
    }
    if (follow === undefined) return;
    for (;;) {
      // Asked before reading, so that nothing written before the end is missed.
      const goesOn = await follow();
      for await (const line of reader.rest()) if (wanted(line)) yield line;
      if (!goesOn || signal?.aborted === true) return;
      await delay(pollEvery, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  } finally {
    await reader.close();
  }
}

async function lastOf(
  lines: AsyncIterable<LogLine>,
  wanted: (line: LogLine) => boolean,
  count: number,
): Promise<LogLine[]> {
  let last: LogLine[] = [];
  for await (const line of lines) {
    if (!wanted(line)) continue;
    last.push(line);
    if (last.length > 2 * count + 1000) last = last.slice(-count);
  }
  return count === 0 ? [] : last.slice(-count);
}

/** Reads the files of a log one after the other, also when they are set aside meanwhile. */
class LogReader {
  readonly #directory: string;
  #handle: FileHandle | undefined;
  #offset = 0;

  private constructor(directory: string, handle: FileHandle | undefined) {
    this.#directory = directory;
    this.#handle = handle;
  }

  /** Begins with the oldest file. */
  static async open(directory: string): Promise<LogReader> {
    const names = await readdir(directory).catch(() => [] as string[]);
    const ages = names.flatMap((name) => {
      const match = /^container\.log(?:\.([0-9]{1,3}))?$/.exec(name);
      return match === null ? [] : [Number(match[1] ?? 0)];
    });
    const handle = await openFile(directory, Math.max(0, ...ages));
    return new LogReader(directory, handle);
  }

  /** What is there and was not read yet. */
  async *rest(): AsyncGenerator<LogLine, void, undefined> {
    this.#handle ??= await openFile(this.#directory, 0);
    while (this.#handle !== undefined) {
      // Looked up first: what is written to this file until then is read before the next one.
      const age = await this.#age(this.#handle);
      yield* this.#lines(this.#handle);
      if (age === 0) return;
      const next = await openFile(this.#directory, age - 1);
      if (next === undefined) return;
      await this.#handle.close();
      this.#handle = next;
      this.#offset = 0;
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }

  /** Which file of the log an open one is by now; one that was removed comes before the oldest that is left. */
  async #age(handle: FileHandle): Promise<number> {
    const { ino } = await handle.stat();
    for (let age = 0; ; age++) {
      const about = await stat(logFile(this.#directory, age)).catch(() => undefined);
      if (about === undefined || about.ino === ino) return age;
    }
  }

  /** Whole lines from where the last ones ended. */
  async *#lines(handle: FileHandle): AsyncGenerator<LogLine, void, undefined> {
    const { size } = await handle.stat();
    if (size < this.#offset) this.#offset = 0;
    const buffer = Buffer.alloc(pieceSize);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, this.#offset);
      const whole = buffer.subarray(0, bytesRead).lastIndexOf(0x0a) + 1;
      if (whole === 0) return;
      yield* buffer.toString("utf8", 0, whole).split("\n").flatMap(parseLine);
      this.#offset += whole;
    }
  }
}

/** Longer than the longest line: a piece of 16 KiB of text with every character escaped. */
const pieceSize = 256 * 1024;

async function openFile(directory: string, age: number): Promise<FileHandle | undefined> {
  return open(logFile(directory, age), "r").catch(() => undefined);
}

function parseLine(text: string): LogLine[] {
  try {
    const line = JSON.parse(text) as Partial<LogLine>;
    const stream = line.stream === "stderr" ? "stderr" : "stdout";
    return typeof line.text === "string" ? [{ stream, text: line.text, time: String(line.time) }] : [];
  } catch {
    // A line that was cut by a crash.
    return [];
  }
}
