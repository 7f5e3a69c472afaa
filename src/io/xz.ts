import { availableParallelism } from "node:os";
import { MessageChannel, type Worker } from "node:worker_threads";
import { WhittleError } from "./errors.ts";
import { startThread } from "./threads.ts";
import { jobState, type WorkerJob, type WorkerReport } from "./xz-protocol.ts";

const mostWorkers = Math.max(1, Math.min(availableParallelism(), 8));
const idle: Worker[] = [];
const queue: ((worker: Worker) => void)[] = [];
let workers = 0;

async function borrow(): Promise<Worker> {
  const worker = idle.pop() ?? (workers < mostWorkers ? spawn() : undefined);
  const chosen = worker ?? (await new Promise<Worker>((resolve) => queue.push(resolve)));
  chosen.ref();
  return chosen;
}

function spawn(): Worker {
  workers++;
  // The decoder's own memory does not count here; what does is chunks on their way, which should not wait long for
  // the collector.
  const resourceLimits = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 64 };
  const worker = startThread(import.meta.url, "xz-worker", { resourceLimits });
  // Whoever uses it hears of its end; an idle one that ends is simply not there any more.
  worker.on("error", () => undefined);
  worker.on("exit", () => {
    workers--;
    const at = idle.indexOf(worker);
    if (at !== -1) idle.splice(at, 1);
    const next = queue.shift();
    if (next !== undefined) next(spawn());
  });
  return worker;
}

function giveBack(worker: Worker): void {
  const next = queue.shift();
  if (next !== undefined) {
    next(worker);
    return;
  }
  // An idle worker must not keep the process alive.
  worker.unref();
  idle.push(worker);
}

/** Ends the threads that wait for something to decompress, and gives back what they hold; others come when needed. */
export async function endIdleDecompressors(): Promise<void> {
  await Promise.all(idle.splice(0).map((worker) => worker.terminate()));
}

const inputAhead = 4;

/**
 * Decompresses xz or bzip2 in a worker thread of a small pool; input and output are bounded on both sides.
 *
 * @throws Error with the decoder's words when the data is damaged or ends early
 */
export async function* decompressInWorker(
  form: "xz" | "bzip2",
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const worker = await borrow();
  const { port1: port, port2: remote } = new MessageChannel();
  const shared = new SharedArrayBuffer(8);
  const state = new Int32Array(shared);
  const output: Uint8Array[] = [];
  let finished = false;
  let workerIsIdle = false;
  let failure: { readonly error: unknown } | undefined;
  let credit = inputAhead;
  let wakeReader = (): void => undefined;
  let wakePump = (): void => undefined;

  const fail = (error: unknown): void => {
    failure ??= { error };
    wakeReader();
    wakePump();
  };
  const onExit = (): void =>
    fail(new WhittleError("INTERNAL", "Internal error: a decompression thread ended"));
  worker.on("error", fail);
  worker.on("exit", onExit);
  port.on("message", (report: WorkerReport) => {
    if (report.kind === "done" || report.kind === "failed") workerIsIdle = true;
    if (report.kind === "failed") return fail(new Error(report.message));
    if (report.kind === "data") output.push(report.bytes);
    if (report.kind === "taken") credit++;
    if (report.kind === "done") finished = true;
    (report.kind === "taken" ? wakePump : wakeReader)();
  });

  const send = (bytes: Uint8Array | undefined): void => {
    if (bytes === undefined) port.postMessage(undefined);
    else {
      // A copy of its own: the chunk may be a view of a buffer that others still read.
      const copy = new Uint8Array(bytes);
      port.postMessage(copy, [copy.buffer]);
    }
    Atomics.add(state, jobState.sent, 1);
    Atomics.notify(state, jobState.sent);
  };
  const stopped = (): boolean => finished || failure !== undefined;
  const pump = async (): Promise<void> => {
    for await (const chunk of source) {
      while (credit === 0 && !stopped()) {
        await new Promise<void>((resolve) => {
          wakePump = resolve;
        });
      }
      if (stopped()) return;
      if (chunk.length === 0) continue;
      credit--;
      send(chunk);
    }
    send(undefined);
  };

  worker.postMessage({ form, port: remote, state: shared } satisfies WorkerJob, [remote]);
  const pumping = pump().catch(fail);
  try {
    for (;;) {
      let chunk = output.shift();
      while (chunk !== undefined) {
        yield chunk;
        Atomics.sub(state, jobState.waiting, 1);
        Atomics.notify(state, jobState.waiting);
        chunk = output.shift();
      }
      if (failure !== undefined) throw failure.error;
      if (finished) break;
      await new Promise<void>((resolve) => {
        wakeReader = resolve;
      });
    }
    wakePump();
    await pumping;
  } finally {
    worker.off("error", fail);
    worker.off("exit", onExit);
    port.close();
    fail(undefined);
    // A thread that was left in the middle of a job blocks in it; ending it is the only way out.
    if (workerIsIdle) giveBack(worker);
    else await worker.terminate();
  }
}
