// Makes the compact forms of Packages files in a thread of its own, one after the other: what it takes meanwhile, a
// hundred megabytes and more, is given back when the thread ends, and other work goes on beside it.
import { parentPort } from "node:worker_threads";
import { WhittleError } from "../io/index.ts";
import { buildIndex } from "./packages-index-build.ts";
import type { IndexJob, IndexReport } from "./packages-index-thread.ts";

function work({ path, sha256 }: IndexJob): IndexReport {
  try {
    return { kind: "made", bytes: buildIndex(path, sha256) };
  } catch (error) {
    if (!(error instanceof WhittleError)) throw error;
    const { code, message, hint } = error;
    return { kind: "failed", code, message, ...(hint === undefined ? {} : { hint }) };
  }
}

parentPort?.on("message", (job: IndexJob) => parentPort?.postMessage(work(job)));
