import { Option } from "commander";
import { parsePlatform } from "../../image/index.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags {
  readonly platform?: string;
  readonly referrers: boolean;
  readonly format: "text" | "json";
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<image>", "name or digest of an image in the store, or a transport such as oci:DIR")
      .argument("[destination]", "REGISTRY/REPOSITORY[:TAG] (default: the image's own name)")
      .option("--platform <platform>", "push this platform only of an image that has several")
      .option(
        "--no-referrers",
        "leave behind what is attached to the image, such as the reasons of its files",
      )
      .addOption(new Option("--format <form>", "how to print").choices(["text", "json"]).default("text"))
      .addHelpText(
        "after",
        "\nExamples:\n  whittle push registry.example/team/api:1\n  whittle push api:1 localhost:5000/team/api:1\n",
      )
      .action((image: string, destination: string | undefined, flags: Flags) =>
        run((context) => push(image, destination ?? image, flags, context)),
      );
  },
};

async function push(image: string, destination: string, flags: Flags, context: VerbContext): Promise<number> {
  const { openClient, pushImage, remoteReference } = await import("../../registry/index.ts");
  const { attachedTo, readFrom } = await import("../../store/index.ts");
  const { openImage } = await import("../../image/index.ts");
  const target = remoteReference(destination);
  const client = openClient({ environment: context.environment });
  const opened = await readFrom(image, context, { store: await context.store() });
  try {
    const descriptor =
      flags.platform === undefined
        ? opened.descriptor
        : (await openImage(opened.source, opened.descriptor, parsePlatform(flags.platform))).descriptor;
    const result = await pushImage({
      session: await client.session(target.registry),
      ...{ repository: target.repository, tag: target.tag ?? "latest" },
      ...{ source: opened.source, descriptor, work: context },
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
