import { Option } from "commander";
import type { ContainerConfig } from "../../image/index.ts";
import type { Tree } from "../../tree/index.ts";
import { formatBytes } from "../format.ts";
import {
  type ConfigDifference,
  configDifferences,
  type FileDifference,
  fileDifferences,
} from "../image-diff.ts";
import { printable } from "../paint.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags {
  readonly format: "text" | "json";
  readonly platform?: string;
  readonly exitCode?: boolean;
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<a>", "name, digest, or a transport: oci:DIR[:NAME], docker-archive:FILE, …")
      .argument("<b>", "what to compare it with")
      .option("--platform <platform>", "of images with several (default: this machine's)")
      .option("--exit-code", "exit with 1 when there are differences")
      .addOption(new Option("--format <form>", "how to print").choices(["text", "json"]).default("text"))
      .addHelpText(
        "after",
        "\nExamples:\n  whittle diff api:1 api:2\n  whittle diff oci:before oci:after --format json\n",
      )
      .action((a: string, b: string, flags: Flags) => run((context) => diff(a, b, flags, context)));
  },
};

async function diff(a: string, b: string, flags: Flags, context: VerbContext): Promise<number> {
  const { files, config } = await withImage(a, flags, context, (before) =>
    withImage(b, flags, context, async (after) => ({
      files: await fileDifferences(before.tree, after.tree, context.signal),
      config: configDifferences(before.config, after.config),
    })),
  );
  context.out(
    flags.format === "json" ? `${JSON.stringify({ files, config }, undefined, 2)}\n` : asText(files, config),
  );
  return flags.exitCode === true && files.length + config.length > 0 ? 1 : 0;
}

interface Side {
  readonly tree: Tree;
  readonly config: ContainerConfig;
}

async function withImage<T>(
  reference: string,
  flags: Flags,
  context: VerbContext,
  use: (side: Side) => Promise<T>,
): Promise<T> {
  const { readFrom, unpackedLayersDirectory } = await import("../../store/index.ts");
  const { openImage, parsePlatform, readTree } = await import("../../image/index.ts");
  const opened = await readFrom(reference, context, { store: await context.store() });
  try {
    const platform = flags.platform === undefined ? undefined : parsePlatform(flags.platform);
    const image = await openImage(opened.source, opened.descriptor, platform, reference);
    const unpacked = unpackedLayersDirectory(context.storeDirectory);
    const tree = await readTree(image, { unpacked, work: context });
    return await use({ tree, config: (await image.config()).config ?? {} });
  } finally {
    await opened.close();
  }
}

const letters = { added: "A", removed: "D", changed: "C" } as const;

/** Lines as `docker diff` has them, with what changed and by how much. */
function asText(files: readonly FileDifference[], config: readonly ConfigDifference[]): string {
  const fileLines = files.map(({ path, change, what, before, after }) => {
    const growth = after - before;
    const bytes = growth === 0 ? "" : ` ${growth > 0 ? "+" : "-"}${formatBytes(Math.abs(growth))}`;
    return `${letters[change]} ${printable(path)}${what.length > 0 ? ` (${what.join(", ")})` : ""}${bytes}\n`;
  });
  const configLines = config.map(({ key, before, after }) =>
    printable(`config ${key}: ${JSON.stringify(before)} → ${JSON.stringify(after)}\n`),
  );
  return [...fileLines, ...configLines].join("");
}
