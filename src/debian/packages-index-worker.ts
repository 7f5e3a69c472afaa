// Makes the compact form of one Packages file in a thread of its own: what it takes meanwhile, a hundred megabytes
// and more, is given back when the thread ends, and other work goes on beside it.
import { parentPort, workerData } from "node:worker_threads";
import { WhittleError } from "../io/index.ts";
import { buildIndex } from "./packages-index-build.ts";
import type { IndexJob, IndexReport } from "./packages-index-thread.ts";

const { path, sha256 } = workerData as IndexJob;

async function work(): Promise<IndexReport> {
  try {
    const bytes = joined(await buildIndex(path, sha256));
    return { kind: "made", bytes };
  } catch (error) {
    if (!(error instanceof WhittleError)) throw error;
    const { code, message, hint } = error;
    return { kind: "failed", code, message, ...(hint === undefined ? {} : { hint }) };
  }
}

/** In memory of its own, which can be handed over. */
function joined(pieces: readonly Buffer[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

const report = await work();
parentPort?.postMessage(report, report.kind === "made" ? [report.bytes.buffer] : []);
