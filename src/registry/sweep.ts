import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collect = (options: { readonly type: "minor" | "major" }) => void;

// Chunks that were received come to this much before they are looked after.
const every = 16 * 1024 * 1024;

let since = 0;
let collect: Collect | undefined;

/**
 * Is told how many bytes went by, and now and then has the engine give back the memory of those that are done with.
 * Chunks of a connection lie outside of the heap and count for little in it, so the engine lets hundreds of megabytes
 * of them pile up before it looks; clearing them away often takes a fraction of a millisecond each time and makes a
 * copy faster, because the same memory is used again.
 */
export function sweepAfter(bytes: number): void {
  since += bytes;
  if (since < every) return;
  since = 0;
  collector()({ type: "minor" });
}

/**
 * Has the engine give back everything that is done with. That takes some tens of milliseconds: for the rare occasions
 * on which as much was held for long enough to be taken for lasting.
 */
export function sweepAll(): void {
  since = 0;
  collector()({ type: "major" });
}

function collector(): Collect {
  if (collect === undefined) {
    // There is no other way to the collector from inside a program.
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as Collect;
    setFlagsFromString("--no-expose-gc");
  }
  return collect;
}
