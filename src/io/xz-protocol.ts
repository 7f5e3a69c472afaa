import type { MessagePort } from "node:worker_threads";

/**
 * What the main thread sends a decompression thread to start a job. Input then arrives on `port` as byte arrays,
 * `undefined` being the end; {@link WorkerReport}s come back on it.
 */
export interface WorkerJob {
  readonly form: "xz" | "bzip2";
  readonly port: MessagePort;
  /** See {@link jobState}. */
  readonly state: SharedArrayBuffer;
}

/** What a decompression thread says about its job. */
export type WorkerReport =
  | { readonly kind: "taken" }
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly message: string };

/** Indexes of the counters that both sides share; the thread blocks on them, the main thread never does. */
export const jobState = {
  /** Messages with input sent so far, the end included. */
  sent: 0,
  /** Chunks of output that the main thread has not passed on yet. */
  waiting: 1,
} as const;
