import { Option } from "commander";
import { storeName } from "../../image/index.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags {
  readonly format: "text" | "json";
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<image>", "name, digest, or a transport such as oci:DIR, which is copied into the store")
      .argument("<name...>", "the new names")
      .addOption(new Option("--format <form>", "how to print").choices(["text", "json"]).default("text"))
      .addHelpText(
        "after",
        "\nExamples:\n  whittle tag api:1 registry.example/team/api:1\n  whittle tag docker-archive:saved.tar api:old\n",
      )
      .action((image: string, names: string[], flags: Flags) =>
        run((context) => tag(image, names, flags, context)),
      );
  },
};

async function tag(
  image: string,
  names: readonly string[],
  flags: Flags,
  context: VerbContext,
): Promise<number> {
  // All names are looked at before any is given.
  const references = names.map((name) => storeName(name));
  const { attachedTo, readFrom, writeTo } = await import("../../store/index.ts");
  const store = await context.store();
  const opened = await readFrom(image, context, { store });
  try {
    const { source, descriptor } = opened;
    const referrers = source === store ? [] : await attachedTo(opened);
    for (const name of references) await writeTo(name, source, descriptor, context, { store, referrers });
    if (flags.format === "json") {
      const given = references.map((reference) => ({ reference, digest: descriptor.digest }));
      context.out(`${JSON.stringify(given, undefined, 2)}\n`);
    }
  } finally {
    await opened.close();
  }
  return 0;
}
