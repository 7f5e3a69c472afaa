import { Option } from "commander";
import { isPathReference, parsePlatform, parseReference } from "../../image/index.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags {
  readonly platform?: string;
  readonly referrers: boolean;
  readonly format: "text" | "json";
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument(
        "<source>",
        "an image: in the store, docker://REGISTRY/…, oci:DIR[:TAG], docker-archive:FILE, docker-daemon:NAME, containers-storage:NAME, …",
      )
      .argument("<destination>", "where it goes, in the same forms; a bare name is the store")
      .option("--platform <platform>", "copy this platform only of an image that has several")
      .option(
        "--no-referrers",
        "leave behind what is attached to the image, such as the reasons of its files",
      )
      .addOption(new Option("--format <form>", "how to print").choices(["text", "json"]).default("text"))
      .addHelpText(
        "after",
        "\nExamples:\n  whittle copy docker://registry.example/api:1 docker://localhost:5000/api:1\n  whittle copy docker-archive:saved.tar oci:layout:api\n",
      )
      .action((source: string, destination: string, flags: Flags) =>
        run((context) => copy(source, destination, flags, context)),
      );
  },
};

async function copy(from: string, to: string, flags: Flags, context: VerbContext): Promise<number> {
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
      ...(flags.platform === undefined ? {} : { platform: parsePlatform(flags.platform) }),
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
