import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { WhittleError } from "../io/index.ts";

/** One line, or a piece of a long one, that a container wrote. */
export interface LogLine {
  readonly stream: "stdout" | "stderr";
  /** With its newline, where it had one. */
  readonly text: string;
  /** ISO 8601. */
  readonly time: string;
}

/** How much of a container's output is kept. */
export interface LogLimits {
  /** Bytes after which a file is set aside and a new one begun. */
  readonly maxSize: number;
  /** How many files there are at most, the newest included. */
  readonly maxFiles: number;
}

/** What is kept when nobody says anything. */
export const defaultLogLimits: LogLimits = { maxSize: 10 * 2 ** 20, maxFiles: 3 };

const units: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };
const mostFiles = 100;

/**
 * Reads what `--log-opt` takes, some of `max-size=10m` and `max-file=3` (Docker's names).
 *
 * @throws WhittleError `USAGE`
 */
export function parseLogLimits(texts: readonly string[]): LogLimits {
  let { maxSize, maxFiles } = defaultLogLimits;
  for (const text of texts) {
    const [, name, number = "", unit = ""] = /^(max-size|max-file)=([0-9]{1,9})([kmg]?)b?$/i.exec(text) ?? [];
    const value = Number(number) * (units[unit.toLowerCase()] ?? 1);
    if (name === "max-size" && value > 0) maxSize = value;
    else if (name === "max-file" && unit === "" && value > 0 && value <= mostFiles) maxFiles = value;
    else {
      throw new WhittleError(
        "USAGE",
        `Cannot keep the output by "${text.slice(0, 100)}": max-size=10m or max-file=3 is wanted`,
      );
    }
  }
  return { maxSize, maxFiles };
}

/** The place of a log file: 0 is the one that is written, higher numbers are older. */
export function logFile(directory: string, age = 0): string {
  return join(directory, age === 0 ? "container.log" : `container.log.${age}`);
}

const longestPiece = 16 * 1024;

/** Keeps what a container writes: one JSON object a line; a full file is set aside and begun anew. */
export class LogWriter {
  readonly #directory: string;
  readonly #limits: LogLimits;
  #descriptor: number;
  #size: number;
  readonly #rest = { stdout: "", stderr: "" };
  readonly #decoders = {
    stdout: new TextDecoder("utf-8"),
    stderr: new TextDecoder("utf-8"),
  };

  constructor(directory: string, limits = defaultLogLimits) {
    this.#directory = directory;
    this.#limits = limits;
    this.#descriptor = openSync(logFile(directory), "a", 0o600);
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
    if (this.#size > 0 && this.#size + bytes.length > this.#limits.maxSize) this.#rotate();
    writeSync(this.#descriptor, bytes);
    this.#size += bytes.length;
  }

  #rotate(): void {
    closeSync(this.#descriptor);
    for (let age = this.#limits.maxFiles - 1; age > 0; age--) {
      try {
        renameSync(logFile(this.#directory, age - 1), logFile(this.#directory, age));
      } catch {
        // There are not that many yet.
      }
    }
    const how = this.#limits.maxFiles === 1 ? "w" : "a";
    this.#descriptor = openSync(logFile(this.#directory), how, 0o600);
    this.#size = 0;
  }
}
