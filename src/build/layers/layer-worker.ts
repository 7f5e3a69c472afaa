// The inside of the thread that writes layers: it is told entries, puts what they come to into the store itself, and
// answers with the records.
import { parentPort, workerData } from "node:worker_threads";
import { writeLayer } from "../../image/index.ts";
import { deflatedBlocks, type Progress } from "../../io/index.ts";
import { openStore } from "../../store/index.ts";
import { type LayerOrder, type LayerReport, type LayerThreadData, received } from "./protocol.ts";

const data = workerData as LayerThreadData;
const store = await openStore(data.store);
const deflated = deflatedBlocks(data.deflated);
const controller = new AbortController();
const running = new Set<Promise<void>>();
const tell = (report: LayerReport): void => parentPort?.postMessage(report);
// An event for each small piece would cost more than it says.
const tellBytesAfter = 1024 * 1024;

async function write({ id, entries, compression }: LayerOrder & { kind: "write" }): Promise<void> {
  let told = 0;
  const progress: Progress = (event) => {
    if (event.kind !== "bytes" || event.bytes === told) return;
    const { bytes, totalBytes = bytes } = event;
    if (bytes < told + tellBytesAfter && bytes < totalBytes) return;
    told = bytes;
    tell({ kind: "bytes", id, bytes, totalBytes });
  };
  try {
    const work = { progress, signal: controller.signal };
    const layer = await writeLayer(received(entries), store, {
      ...{ compression, deflated, work },
      growing: (file) => tell({ kind: "grows", id, file }),
    });
    tell({ kind: "written", id, layer });
  } catch {
    // Why is found out by the one who asked: it does the work then.
    tell({ kind: "failed", id });
  }
}

/** Stops what is running, which takes away what it has half written, and lets the thread end. */
async function end(): Promise<void> {
  controller.abort();
  await Promise.all(running);
  parentPort?.close();
}

parentPort?.on("message", (order: LayerOrder) => {
  if (order.kind === "end") return void end();
  const done = write(order).then(() => void running.delete(done));
  running.add(done);
});
