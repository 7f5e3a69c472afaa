import type { Store } from "../store/index.ts";
import type { Output } from "./output.ts";
import type { pushOf } from "./push-built.ts";
import type { VerbContext } from "./verb.ts";

/** As `pushOf`; a build that pushes nothing does not wait for what speaks to registries. */
export async function pushFor(
  outputs: readonly Output[],
  tags: readonly string[],
  store: Store,
  context: VerbContext,
): Promise<ReturnType<typeof pushOf>> {
  if (!outputs.some(({ push }) => push)) return {};
  return (await import("./push-built.ts")).pushOf(outputs, tags, store, context);
}
