import type { Worker } from "node:worker_threads";
import type { LayerRecord } from "../../image/index.ts";
import { type Progress, startThread, type Work } from "../../io/index.ts";
import type { Entry, TreePath } from "../../tree/index.ts";
import { type LayerOrder, type LayerReport, type LayerThreadData, sendable } from "./protocol.ts";
import type { Compression, LayerWriter } from "./writer.ts";

/** A thread that writes layers beside the one that makes them. */
export interface LayerThread {
  readonly write: LayerWriter;
  /** Says that layers of several platforms are to come; without that, all are written by whoever asks. */
  expectSeveral(): void;
  /** Says that the first of them is being made: the thread starts meanwhile. */
  expectOne(): void;
  /** Ends the thread; what it has not finished by then is dropped without a trace. */
  end(): Promise<void>;
}

// A smaller layer is written before the thread has started.
const worthIt = 1024 * 1024;

/**
 * A thread for the layers of several platforms: while one is carved, those before are written. What it cannot do, or
 * fails at, `here` does, so its failures are never seen: they happen here once more, or do not. So does `here` what
 * comes while the thread has enough to do.
 *
 * @param data - the store that `here` writes into
 */
export function layerThread(data: LayerThreadData, here: LayerWriter): LayerThread {
  let thread: Thread | undefined;
  let several = false;
  const places = new Places();
  return {
    expectSeveral: () => {
      several = true;
    },
    expectOne: () => {
      if (several) thread ??= new Thread(data);
    },
    async write(from, compression, work, windows, growing) {
      if (!several || windows !== undefined) return here(from, compression, work, windows, growing);
      const { layerEntries } = await import("../../image/index.ts");
      const entries = layerEntries(from);
      const size = entries.reduce(
        (sum, [, entry]) => sum + (entry.type === "file" ? entry.content.size : 0),
        0,
      );
      if (size < worthIt) return here(from, compression, work, windows, growing);
      const { place, giveBack } = await places.take();
      // Once all of it is read, there is little to do but to wait for the disk.
      const progress: Progress = (event) => {
        work.progress(event);
        if (event.kind === "bytes" && event.bytes === event.totalBytes) giveBack();
      };
      try {
        if (place === "thread") {
          thread ??= new Thread(data);
          const layer = await thread.write(entries, compression, { ...work, progress }, growing);
          if (layer !== undefined) return layer;
        }
        work.signal.throwIfAborted();
        return await here(from, compression, { ...work, progress }, windows, growing);
      } finally {
        giveBack();
      }
    },
    end: async () => thread?.end(),
  };
}

type Place = "thread" | "here";

/** A place that somebody has; giving it back twice is giving it back once. */
interface TakenPlace {
  readonly place: Place;
  readonly giveBack: () => void;
}

/**
 * Where layers are written: two at a time in the thread, and one here, where others are made as well. Further ones wait
 * for the next place: if all were begun here, they would end late and the thread would end early.
 */
class Places {
  readonly #free: Place[] = ["thread", "thread", "here"];
  readonly #waiting: ((place: Place) => void)[] = [];

  /** The next place. Nobody waits in vain: who has one gives it back also when it is interrupted. */
  async take(): Promise<TakenPlace> {
    const place = this.#free.shift() ?? (await new Promise<Place>((resolve) => this.#waiting.push(resolve)));
    let isHeld = true;
    const giveBack = (): void => {
      if (isHeld) this.#giveBack(place);
      isHeld = false;
    };
    return { place, giveBack };
  }

  #giveBack(place: Place): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next(place);
    else if (place === "thread") this.#free.unshift(place);
    else this.#free.push(place);
  }
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
