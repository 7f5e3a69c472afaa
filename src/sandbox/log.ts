import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** One line, or a piece of a long one, that a container wrote. */
export interface LogLine {
  readonly stream: "stdout" | "stderr";
  /** With its newline, where it had one. */
  readonly text: string;
  /** ISO 8601. */
  readonly time: string;
}

const fileName = "container.log";
const mostBytes = 10 * 1024 * 1024;
const longestPiece = 16 * 1024;

/** Keeps what a container writes: one JSON object a line; at 10 MiB the file is set aside and begun anew. */
export class LogWriter {
  readonly #path: string;
  #descriptor: number;
  #size: number;
  readonly #rest = { stdout: "", stderr: "" };
  readonly #decoders = {
    stdout: new TextDecoder("utf-8"),
    stderr: new TextDecoder("utf-8"),
  };

  constructor(directory: string) {
    this.#path = join(directory, fileName);
    this.#descriptor = openSync(this.#path, "a", 0o600);
    this.#size = fstatSync(this.#descriptor).size;
  }

  /** Takes bytes as they come; whole lines are kept at once. */
  write(chunk: Buffer, stream: "stdout" | "stderr"): void {
    let text = this.#rest[stream] + this.#decoders[stream].decode(chunk, { stream: true });
    for (;;) {
      const newline = text.indexOf("\n");
      const end = newline >= 0 && newline < longestPiece ? newline + 1 : longestPiece;
      if (newline < 0 && text.length < longestPiece) break;
      this.#keep(text.slice(0, end), stream);
      text = text.slice(end);
    }
    this.#rest[stream] = text;
  }

  close(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      if (this.#rest[stream] !== "") this.#keep(this.#rest[stream], stream);
    }
    closeSync(this.#descriptor);
  }

  #keep(text: string, stream: "stdout" | "stderr"): void {
    const line: LogLine = { stream, text, time: new Date().toISOString() };
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    if (this.#size + bytes.length > mostBytes) this.#rotate();
    writeSync(this.#descriptor, bytes);
    this.#size += bytes.length;
  }

  #rotate(): void {
    closeSync(this.#descriptor);
    renameSync(this.#path, `${this.#path}.1`);
    this.#descriptor = openSync(this.#path, "a", 0o600);
    this.#size = 0;
  }
}

export interface ReadLogOptions {
  /** Only so many lines from the end. */
  readonly tail?: number;
  /** Go on with what is written from now on, as long as this says that more may come. */
  readonly follow?: () => Promise<boolean>;
  readonly signal?: AbortSignal;
}

const pollEvery = 100;

/** Reads what a container wrote, the oldest first. */
export async function* readLog(
  directory: string,
  { tail, follow, signal }: ReadLogOptions = {},
): AsyncGenerator<LogLine, void, undefined> {
  const path = join(directory, fileName);
  const old = [...(await readLines(`${path}.1`, 0)).lines];
  let { lines, end } = await readLines(path, 0);
  const all = [...old, ...lines];
  yield* tail === undefined ? all : tail === 0 ? [] : all.slice(-tail);
  if (follow === undefined) return;
  for (;;) {
    // Asked before reading, so that nothing written before the end is missed.
    const goesOn = await follow();
    const size = (await stat(path).catch(() => undefined))?.size ?? 0;
    ({ lines, end } = await readLines(path, size < end ? 0 : end));
    yield* lines;
    if (!goesOn || signal?.aborted === true) return;
    await delay(pollEvery, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
}

/** Whole lines from an offset, and where the last of them ends. */
async function readLines(path: string, from: number): Promise<{ lines: LogLine[]; end: number }> {
  const handle = await open(path, "r").catch(() => undefined);
  if (handle === undefined) return { lines: [], end: from };
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.max(0, Math.min(size - from, 2 * mostBytes)));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
    const whole = buffer.subarray(0, bytesRead).lastIndexOf(0x0a) + 1;
    const lines = buffer.toString("utf8", 0, whole).split("\n").flatMap(parseLine);
    return { lines, end: from + whole };
  } finally {
    await handle.close();
  }
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
