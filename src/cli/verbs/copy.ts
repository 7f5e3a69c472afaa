import { isPathReference, parseReference } from "../../image/index.ts";
import { chosenPlatform, type TransferFlags, transferOptions } from "../transfer-options.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

export const command: VerbModule = {
  define(command, run) {
    transferOptions(command, "copy")
      .argument(
        "<source>",
        "an image: in the store, docker://REGISTRY/…, oci:DIR[:TAG], docker-archive:FILE, docker-daemon:NAME, containers-storage:NAME, containerd:NAME, …",
      )
      .argument("<destination>", "where it goes, in the same forms; a bare name is the store")
      .addHelpText(
        "after",
        "\nExamples:\n  whittle copy docker://registry.example/api:1 docker://localhost:5000/api:1\n  whittle copy docker-archive:saved.tar oci:layout:api\n",
      )
      .action((source: string, destination: string, flags: TransferFlags) =>
        run((context) => copy(source, destination, flags, context)),
      );
  },
};

async function copy(from: string, to: string, flags: TransferFlags, context: VerbContext): Promise<number> {
  const { copyImage, openAnywhere, openClient } = await import("../../registry/index.ts");
  const target = parseReference(to);
  const client = openClient({ environment: context.environment });
  const store = await context.store();
  const opened = await openAnywhere(from, context, {
    ...{ store, client, environment: context.environment },
  });
  try {
    const digest = await copyImage(opened, from, target, context, {
      ...{ store, client, withReferrers: flags.referrers, environment: context.environment },
      ...chosenPlatform(flags),
    });
    const named = isPathReference(target) ? to : to.replace(/^docker:\/\//, "");
    context.out(
      flags.format === "json"
        ? `${JSON.stringify({ reference: named, digest }, undefined, 2)}\n`
        : `${digest}\n`,
    );
  } finally {
    await opened.close();
  }
  return 0;
}
