import { Option } from "commander";
import { formatReference, hostPlatform, parsePlatform, storeName } from "../../image/index.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags {
  readonly platform?: string;
  readonly allPlatforms?: boolean;
  readonly format: "text" | "json";
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<reference...>", "images of registries: REGISTRY/REPOSITORY[:TAG][@DIGEST]")
      .option("--platform <platform>", "the platform to pull (default: this machine's)")
      .option("--all-platforms", "pull every platform of an image that has several")
      .addOption(new Option("--format <form>", "how to print").choices(["text", "json"]).default("text"))
      .addHelpText(
        "after",
        "\nExamples:\n  whittle pull debian:trixie-slim\n  whittle pull registry.example/team/api:1 --platform linux/arm64\n",
      )
      .action((references: string[], flags: Flags) => run((context) => pull(references, flags, context)));
  },
};

async function pull(references: readonly string[], flags: Flags, context: VerbContext): Promise<number> {
  const { openClient, openRemote, pullImage, remoteReference } = await import("../../registry/index.ts");
  const { attachedTo } = await import("../../store/index.ts");
  const { openImage } = await import("../../image/index.ts");
  const wanted = flags.platform === undefined ? hostPlatform() : parsePlatform(flags.platform);
  const named = references.map((text) => remoteReference(text));
  const client = openClient({ environment: context.environment });
  const store = await context.store();
  const done: { reference: string; digest: string }[] = [];
  for (const reference of named) {
    const opened = await openRemote(reference, context, client);
    const image =
      flags.allPlatforms === true
        ? opened
        : { ...opened, descriptor: (await openImage(opened.source, opened.descriptor, wanted)).descriptor };
    await pullImage(image.source, image.descriptor, store, context);
    for (const item of await attachedTo(image)) {
      await pullImage(image.source, item, store, context);
      await store.attach(item);
    }
    const { digest: _digest, ...name } = { ...reference, transport: "store" as const };
    await store.tag(storeName(name), image.descriptor);
    done.push({
      reference: formatReference({ ...name, tag: name.tag ?? "latest" }),
      digest: image.descriptor.digest,
    });
  }
  context.out(
    flags.format === "json"
      ? `${JSON.stringify(done, undefined, 2)}\n`
      : done.map(({ digest }) => `${digest}\n`).join(""),
  );
  return 0;
}
