import { type ErrorCode, startThread, WhittleError } from "../io/index.ts";

/** What the thread is told. */
export interface IndexJob {
  readonly path: string;
  readonly sha256: string;
}

/** What the thread answers. */
export type IndexReport =
  | { readonly kind: "made"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string; readonly hint?: string };

/**
 * Makes the compact form of a `Packages` file in a thread that ends with it.
 *
 * @throws WhittleError as making it does; the signal's reason when it is aborted
 */
export function makeIndexInThread(job: IndexJob, signal: AbortSignal): Promise<Uint8Array> {
  signal.throwIfAborted();
  const worker = startThread(import.meta.url, "packages-index-worker", {
    data: job,
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  });
  return new Promise<Uint8Array>((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason);
      void worker.terminate();
    };
    signal.addEventListener("abort", abort, { once: true });
    worker.on("message", (report: IndexReport) => {
      if (report.kind === "made") resolve(report.bytes);
      else
        reject(
          new WhittleError(
            report.code,
            report.message,
            report.hint === undefined ? {} : { hint: report.hint },
          ),
        );
    });
    worker.on("error", reject);
    worker.on("exit", () => {
      signal.removeEventListener("abort", abort);
      reject(new WhittleError("INTERNAL", "Internal error: the thread that reads a package index ended"));
    });
  });
}
