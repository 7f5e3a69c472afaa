import {
  type Descriptor,
  formatReference,
  hostPlatform,
  type NameReference,
  parsePlatform,
  storeName,
} from "../../image/index.ts";
import type { Store } from "../../store/index.ts";
import { widenThreadPool } from "../thread-pool.ts";
import { type FormatFlags, formatOption } from "../transfer-options.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags extends FormatFlags {
  readonly platform?: string;
  readonly allPlatforms?: boolean;
}

export const command: VerbModule = {
  define(command, run) {
    formatOption(command)
      .argument("<reference...>", "images of registries: REGISTRY/REPOSITORY[:TAG][@DIGEST]")
      .option("--platform <platform>", "the platform to pull (default: this machine's)")
      .option("--all-platforms", "pull every platform of an image that has several")
      .addHelpText(
        "after",
        "\nExamples:\n  whittle pull debian:trixie-slim\n  whittle pull registry.example/team/api:1 --platform linux/arm64\n",
      )
      .action((references: string[], flags: Flags) => run((context) => pull(references, flags, context)));
  },
};

async function pull(references: readonly string[], flags: Flags, context: VerbContext): Promise<number> {
  widenThreadPool(8);
  const { openClient, openRemote, pullImage, remoteReference } = await import("../../registry/index.ts");
  const { attachedTo, chosenPart } = await import("../../store/index.ts");
  const platform = flags.platform === undefined ? hostPlatform() : parsePlatform(flags.platform);
  const wanted = flags.allPlatforms === true ? {} : { platform };
  const named = references.map((text) => remoteReference(text));
  const client = openClient({ environment: context.environment });
  // Opened while the registry is asked.
  const opening = context.store();
  opening.catch(() => undefined);
  const done: { reference: string; digest: string }[] = [];
  for (const reference of named) {
    const opened = await openRemote(reference, context, client);
    const called = formatReference(reference);
    const descriptor = await chosenPart(opened.source, opened.descriptor, { ...wanted, called });
    const image = { ...opened, descriptor };
    const store = await opening;
    const attached = attachedTo(image);
    // A failure is told when it is their turn.
    attached.catch(() => undefined);
    await pullImage(image.source, image.descriptor, store, context);
    for (const item of await attached) {
      await pullImage(image.source, item, store, context);
      await store.attach(item);
    }
    done.push({ reference: await keep(reference, image.descriptor, store), digest: image.descriptor.digest });
  }
  context.out(
    flags.format === "json"
      ? `${JSON.stringify(done, undefined, 2)}\n`
      : done.map(({ digest }) => `${digest}\n`).join(""),
  );
  return 0;
}

/** Gives a pulled image its name; what was asked for by digest alone takes no tag away from another image. */
async function keep(reference: NameReference, descriptor: Descriptor, store: Store): Promise<string> {
  const { digest, ...name } = { ...reference, transport: "store" as const };
  const tagged = storeName(name);
  const before = name.tag === undefined && digest !== undefined ? await store.resolve(tagged) : undefined;
  if (before === undefined || before.digest === descriptor.digest) {
    await store.tag(tagged, descriptor);
    return tagged;
  }
  await store.hold(name.name, descriptor);
  return `${name.name}@${descriptor.digest}`;
}
