import { availableParallelism } from "node:os";

/** Cuts a stream into blocks of exactly `size` bytes; only the last may be shorter, none is empty. */
export async function* inBlocks(
  source: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let block: Uint8Array | undefined;
  let filled = 0;
  for await (const chunk of source) {
    let rest = chunk;
    while (rest.length > 0) {
      if (block === undefined && rest.length >= size) {
        yield rest.subarray(0, size);
        rest = rest.subarray(size);
        continue;
      }
      block ??= Buffer.allocUnsafeSlow(size);
      const part = rest.subarray(0, size - filled);
      block.set(part, filled);
      filled += part.length;
      rest = rest.subarray(part.length);
      if (filled === size) {
        yield block;
        block = undefined;
        filled = 0;
      }
    }
  }
  if (block !== undefined && filled > 0) yield block.subarray(0, filled);
}

/**
 * How many jobs to keep on libuv's threads: one more than there are processors, so that none waits for the main
 * thread, and one fewer than there are threads, so that file reads do not queue behind the jobs.
 */
export function jobsAtOnce(): number {
  const threads = Number(process.env["UV_THREADPOOL_SIZE"] ?? 4) || 4;
  return Math.max(1, Math.min(availableParallelism() + 1, threads - 1));
}

// Results that wait for an earlier one, for each job at a time: short jobs go on while a long one is not done.
const waitingForEach = 4;

/**
 * Runs `job` on each item, several at a time, and yields the results in the order of the items. An item is only
 * taken when there is room for it.
 */
export async function* inOrder<Item, Result>(
  items: AsyncIterable<Item>,
  job: (item: Item) => Promise<Result>,
  atOnce = jobsAtOnce(),
): AsyncGenerator<Result, void, undefined> {
  const jobs: Job<Result>[] = [];
  let running = 0;
  let ended: () => void = () => undefined;
  const begin = (item: Item): Job<Result> => {
    running++;
    const begun: Job<Result> = { result: job(item), isDone: false };
    const end = (): void => {
      running--;
      begun.isDone = true;
      ended();
    };
    // A failure is seen when its turn comes; until then it must not count as unhandled.
    begun.result.then(end, end);
    return begun;
  };
  for await (const item of items) {
    jobs.push(begin(item));
    for (let first = jobs[0]; first !== undefined; first = jobs[0]) {
      if (first.isDone || jobs.length > atOnce * waitingForEach) {
        jobs.shift();
        yield await first.result;
      } else if (running > atOnce) {
        await new Promise<void>((resolve) => {
          ended = resolve;
        });
      } else break;
    }
  }
  for (const { result } of jobs) yield await result;
}

interface Job<Result> {
  readonly result: Promise<Result>;
  isDone: boolean;
}
