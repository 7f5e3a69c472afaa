import { type FormatFlags, formatOption } from "../transfer-options.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

export const command: VerbModule = {
  define(command, run) {
    formatOption(command)
      .argument("<repository>", "REGISTRY/REPOSITORY")
      .addHelpText(
        "after",
        "\nExamples:\n  whittle tags registry.example/team/api\n  whittle tags debian --format json\n",
      )
      .action((repository: string, flags: FormatFlags) => run((context) => tags(repository, flags, context)));
  },
};

async function tags(name: string, flags: FormatFlags, context: VerbContext): Promise<number> {
  const { openClient, remoteReference } = await import("../../registry/index.ts");
  const client = openClient({ environment: context.environment });
  const source = await client.home(remoteReference(name), context.signal);
  const all: string[] = [];
  for await (const tag of source.tags()) {
    if (flags.format === "json") all.push(tag);
    else context.out(`${tag}\n`);
  }
  if (flags.format === "json") context.out(`${JSON.stringify(all, undefined, 2)}\n`);
  return 0;
}
