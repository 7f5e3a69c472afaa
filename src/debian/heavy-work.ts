import { endIdleDecompressors, returnLargeMemory } from "../io/index.ts";
import { alternating } from "./alternating.ts";

/**
 * Making package indexes and unpacking packages take a hundred megabytes and more each, and a first build has both to
 * do: first the indexes, then the packages, and the threads for the ones have ended before those for the others start.
 */
const kinds = alternating<"index" | "unpack">(async (before) => {
  if (before === "unpack") return endIdleDecompressors();
  const { endIndexThread } = await import("./packages-index-thread.ts");
  await endIndexThread();
});

/** Runs work that takes much memory, when none of the other kind is running; the signal ends the waiting. */
export async function heavyWork<T>(
  kind: "index" | "unpack",
  signal: AbortSignal,
  task: () => Promise<T>,
): Promise<T> {
  await returnLargeMemory();
  return kinds.run(kind, signal, task);
}
