import type { Worker } from "node:worker_threads";
import type { LayerRecord } from "../../image/index.ts";
import { startThread, type Work } from "../../io/index.ts";
import type { Entry, TreePath } from "../../tree/index.ts";
import { type LayerOrder, type LayerReport, type LayerThreadData, sendable } from "./protocol.ts";
import type { Compression, LayerWriter } from "./writer.ts";

/** A thread that writes layers beside the one that makes them. */
export interface LayerThread {
  readonly write: LayerWriter;
  /** Says that layers of several platforms are to come; without that, all are written by whoever asks. */
  expectSeveral(): void;
  /** Ends the thread; what it has not finished by then is dropped without a trace. */
  end(): Promise<void>;
}

// A smaller layer is written before the thread has started.
const worthIt = 1024 * 1024;

// So many are written side by side, while one waits for the disk; whoever has another one writes it sooner by itself.
const mostAtOnce = 2;

/**
 * A thread for the layers of several platforms: while one is carved, those before are written. The first layer that is
 * worth it starts the thread. What it cannot do, or fails at, `here` does, so its failures are never seen: they happen
 * here once more, or do not.
 *
 * @param data - the store that `here` writes into
 */
export function layerThread(data: LayerThreadData, here: LayerWriter): LayerThread {
  let thread: Thread | undefined;
  let several = false;
  return {
    expectSeveral: () => {
      several = true;
    },
    async write(from, compression, work, windows, growing) {
      if (!several || windows !== undefined) return here(from, compression, work, windows, growing);
      const { layerEntries } = await import("../../image/index.ts");
      const entries = layerEntries(from);
      const size = entries.reduce(
        (sum, [, entry]) => sum + (entry.type === "file" ? entry.content.size : 0),
        0,
      );
      if (size >= worthIt && (thread?.waiting ?? 0) < mostAtOnce) {
        thread ??= new Thread(data);
        const layer = await thread.write(entries, compression, work, growing);
        if (layer !== undefined) return layer;
        work.signal.throwIfAborted();
      }
      return here(from, compression, work, windows, growing);
    },
    end: async () => thread?.end(),
  };
}

interface Pending {
  readonly work: Work;
  readonly growing: ((file: string) => void) | undefined;
  readonly answer: (layer: LayerRecord | undefined) => void;
}

/** The thread as this one sees it. */
class Thread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<void>;
  #isGone = false;
  #last = 0;

  constructor(data: LayerThreadData) {
    const resourceLimits = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 128 };
    this.#worker = startThread(import.meta.url, "layer-worker", { data, resourceLimits });
    this.#worker.on("message", (report: LayerReport) => this.#hear(report));
    // Whatever ends it: what it had to do is done here then.
    this.#worker.on("error", () => undefined);
    this.#ended = new Promise((resolve) => {
      this.#worker.once("exit", () => {
        this.#isGone = true;
        for (const { answer } of this.#pending.values()) answer(undefined);
        resolve();
      });
    });
  }

  /** How many layers it has not finished. */
  get waiting(): number {
    return this.#pending.size;
  }

  /** Resolves with nothing when the thread cannot write the layer; it is never waited for in vain. */
  async write(
    entries: readonly (readonly [TreePath, Entry])[],
    compression: Compression,
    work: Work,
    growing?: (file: string) => void,
  ): Promise<LayerRecord | undefined> {
    const id = this.#last++;
    const written = new Promise<LayerRecord | undefined>((answer) =>
      this.#pending.set(id, { work, growing, answer }),
    );
    const stop = (): void => this.#tell({ kind: "end" });
    work.signal.addEventListener("abort", stop, { once: true });
    try {
      const sent = await sendable(entries);
      if (sent === undefined || this.#isGone || work.signal.aborted) return undefined;
      this.#tell({ kind: "write", id, entries: sent, compression });
      return await written;
    } finally {
      work.signal.removeEventListener("abort", stop);
      this.#pending.delete(id);
    }
  }

  async end(): Promise<void> {
    this.#tell({ kind: "end" });
    await this.#ended;
  }

  #tell(order: LayerOrder): void {
    this.#worker.postMessage(order);
  }

  #hear(report: LayerReport): void {
    const pending = this.#pending.get(report.id);
    if (report.kind === "grows") pending?.growing?.(report.file);
    else if (report.kind === "bytes") pending?.work.progress({ ...report, id: "layer" });
    else pending?.answer(report.kind === "written" ? report.layer : undefined);
  }
}
