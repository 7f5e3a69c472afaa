import type { BuiltImage } from "../project/index.ts";
import { writeBuildFiles } from "./build-files.ts";
import type { BuildFlags } from "./build-flags.ts";
import { builtTable } from "./built-table.ts";
import type { Output } from "./output.ts";
import type { BuildPush } from "./push-built.ts";
import type { VerbContext } from "./verb.ts";
import { isStandardOutput, writeOutput } from "./write-output.ts";

/** A built image, its names, and where it goes: nowhere else than into the store when there are no outputs. */
export interface Delivery {
  readonly image: BuiltImage;
  readonly names: readonly string[];
  readonly outputs: readonly Output[];
  /** Where an output wants it pushed. */
  readonly push?: BuildPush;
}

/** Names, writes out and reports what was built; prints the digests. */
export async function deliver(
  deliveries: readonly Delivery[],
  flags: BuildFlags,
  context: VerbContext,
): Promise<void> {
  for (const delivery of deliveries) await deliverOne(delivery, context);
  context.err(
    builtTable(
      deliveries.map(({ image }) => image),
      context.colour,
    ),
  );
  await writeBuildFiles(deliveries, flags, context);
  if (deliveries.some(({ outputs }) => outputs.some(isStandardOutput))) return;
  for (const { image } of deliveries) context.out(`${image.descriptor.digest}\n`);
}

async function deliverOne({ image, names, outputs, push }: Delivery, context: VerbContext): Promise<void> {
  const store = await context.store();
  const stored = outputs.filter((output) => output.type === "store" || output.type === "daemon");
  if (outputs.length === 0 || stored.length > 0) {
    const all = [...names, ...stored.flatMap((output) => output.names)];
    await store.publish(all, image.descriptor, image.referrers);
  }
  for (const output of outputs) await writeOutput(output, image, names, store, context, push);
}
