import { Option } from "commander";
import { formatBytes, formatTable } from "../format.ts";
import { type ImageSummary, shortDigest, summarize } from "../image-summary.ts";
import { printable } from "../paint.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags {
  readonly format: "table" | "json";
  readonly quiet?: boolean;
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("[name]", "only names that contain this")
      .option("-q, --quiet", "digests only")
      .addOption(new Option("--format <form>", "how to print").choices(["table", "json"]).default("table"))
      .addHelpText("after", "\nExamples:\n  whittle images\n  whittle images api --format json\n")
      .action((name: string | undefined, flags: Flags) => run((context) => images(name, flags, context)));
  },
};

async function images(name: string | undefined, flags: Flags, context: VerbContext): Promise<number> {
  const store = await context.store();
  const found: ImageSummary[] = [];
  for (const { reference, descriptor } of await store.list()) {
    if (name !== undefined && !reference.includes(name)) continue;
    found.push(await summarize(reference, store, descriptor));
  }
  if (flags.format === "json") context.out(`${JSON.stringify(found, undefined, 2)}\n`);
  else if (flags.quiet === true) context.out(found.map((image) => `${image.digest}\n`).join(""));
  else context.out(printable(table(found)));
  return 0;
}

function table(images: readonly ImageSummary[]): string {
  return formatTable(
    [{ title: "REFERENCE" }, { title: "DIGEST" }, { title: "SIZE", align: "right" }, { title: "PLATFORMS" }],
    images.map((image) => [
      image.reference,
      shortDigest(image.digest),
      formatBytes(image.size),
      image.platforms.join(" "),
    ]),
  );
}
