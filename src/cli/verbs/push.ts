import { chosenPlatform, type TransferFlags, transferOptions } from "../transfer-options.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

export const command: VerbModule = {
  define(command, run) {
    transferOptions(command, "push")
      .argument("<image>", "name or digest of an image in the store, or a transport such as oci:DIR")
      .argument("[destination]", "REGISTRY/REPOSITORY[:TAG] (default: the image's own name)")
      .addHelpText(
        "after",
        "\nExamples:\n  whittle push registry.example/team/api:1\n  whittle push api:1 localhost:5000/team/api:1\n",
      )
      .action((image: string, destination: string | undefined, flags: TransferFlags) =>
        run((context) => push(image, destination ?? image, flags, context)),
      );
  },
};

async function push(
  image: string,
  destination: string,
  flags: TransferFlags,
  context: VerbContext,
): Promise<number> {
  const { blobHomes, openClient, pushImage, remoteReference, requireDigest } = await import(
    "../../registry/index.ts"
  );
  const { attachedTo, chosenPart, readFrom } = await import("../../store/index.ts");
  const target = remoteReference(destination);
  const client = openClient({ environment: context.environment });
  const store = await context.store();
  const opened = await readFrom(image, context, { store });
  try {
    const descriptor = await chosenPart(opened.source, opened.descriptor, {
      ...chosenPlatform(flags),
      called: image,
    });
    requireDigest(target, descriptor);
    const result = await pushImage({
      session: await client.session(target.registry),
      ...{
        repository: target.repository,
        tag: target.digest === undefined ? (target.tag ?? "latest") : target.tag,
      },
      ...{ source: opened.source, descriptor, work: context },
      from: blobHomes(store, target),
      referrers: flags.referrers ? await attachedTo({ ...opened, descriptor }) : [],
    });
    context.out(
      flags.format === "json"
        ? `${JSON.stringify({ reference: destination, digest: descriptor.digest, ...result.counts }, undefined, 2)}\n`
        : `${descriptor.digest}\n`,
    );
  } finally {
    await opened.close();
  }
  return 0;
}
