import type { ResourceLimits, Worker } from "node:worker_threads";
import { type ErrorCode, startThread, WhittleError } from "../io/index.ts";

/** What the thread is told. */
export interface IndexJob {
  readonly path: string;
  readonly sha256: string;
}

/** What the thread answers. */
export type IndexReport =
  | { readonly kind: "made"; readonly bytes: Uint8Array }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string; readonly hint?: string };

// When nothing has come for so long, nothing will.
const idleMilliseconds = 1000;

// An index takes some 50 MB of the heap. With so low a limit, what the one before has left is collected soon.
const resourceLimits: ResourceLimits = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 128 };

/** A thread that makes one index at a time, and is kept for the next. */
class IndexThread {
  readonly #worker: Worker;
  #uses = 0;
  #answer = (_report: IndexReport): void => undefined;
  #fail = (_error: unknown): void => undefined;

  constructor() {
    this.#worker = startThread(import.meta.url, "packages-index-worker", {
      resourceLimits,
    });
    this.#worker.on("message", (report: IndexReport) => this.#answer(report));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => {
      this.#leave();
      this.#fail(new WhittleError("INTERNAL", "Internal error: the thread that reads a package index ended"));
    });
  }

  async make(job: IndexJob, signal: AbortSignal): Promise<Uint8Array> {
    this.#worker.ref();
    const abort = (): void => this.#fail(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      const report = await new Promise<IndexReport>((resolve, reject) => {
        this.#answer = resolve;
        this.#fail = reject;
        this.#worker.postMessage(job);
      });
      this.#rest();
      if (report.kind === "made") return report.bytes;
      const hint = report.hint === undefined ? {} : { hint: report.hint };
      throw new WhittleError(report.code, report.message, hint);
    } catch (error) {
      if (idle !== this) void this.end();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  async end(): Promise<void> {
    this.#leave();
    await this.#worker.terminate();
  }

  /** Ending takes its time: from its beginning on, no other index may be given to it. */
  #leave(): void {
    if (idle === this) idle = undefined;
  }

  /** Stays for the next index, for a while; it does not keep the process alive. */
  #rest(): void {
    this.#worker.unref();
    if (idle !== undefined) return void this.end();
    idle = this;
    const uses = ++this.#uses;
    setTimeout(() => {
      if (idle === this && this.#uses === uses) void this.end();
    }, idleMilliseconds).unref();
  }
}

// What one index takes while it is made is used again for the next; threads for each of them would add up.
let idle: IndexThread | undefined;

/**
 * Makes the compact form of a `Packages` file in a thread, which ends when there is no more to do for it.
 *
 * @returns the form, in memory that the thread makes the next one in
 * @throws WhittleError as making it does; the signal's reason when it is aborted
 */
export async function makeIndexInThread(job: IndexJob, signal: AbortSignal): Promise<Uint8Array> {
  signal.throwIfAborted();
  const thread = idle ?? new IndexThread();
  idle = undefined;
  return thread.make(job, signal);
}

/** Ends the thread that waits for another index, and gives back what it holds. */
export async function endIndexThread(): Promise<void> {
  await idle?.end();
}
