import { Option } from "commander";
import {
  type ContainerConfig,
  formatPlatform,
  type History,
  type Image,
  openImage,
  parsePlatform,
  platformsOf,
} from "../../image/index.ts";
import type { OpenedImage } from "../../store/index.ts";
import { formatBytes, formatTable } from "../format.ts";
import { shortDigest } from "../image-summary.ts";
import { printable } from "../paint.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags {
  readonly format: "text" | "json";
  readonly platform?: string;
}

/** What `--format json` prints. */
interface Inspected {
  readonly reference: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly images: readonly InspectedImage[];
}

interface InspectedImage {
  readonly platform: string;
  readonly digest: string;
  /** Compressed bytes of the layers. */
  readonly size: number;
  readonly created?: string;
  readonly author?: string;
  readonly config: ContainerConfig;
  readonly layers: readonly InspectedLayer[];
  readonly history: readonly History[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly referrers: readonly {
    readonly digest: string;
    readonly artifactType?: string;
    readonly size: number;
  }[];
}

interface InspectedLayer {
  readonly digest: string;
  readonly mediaType: string;
  readonly size: number;
  readonly diffId: string;
  readonly createdBy?: string;
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<image>", "name, digest, or a transport: oci:DIR[:NAME], docker-archive:FILE, …")
      .option("--platform <platform>", "only the image for this platform")
      .addOption(new Option("--format <form>", "how to print").choices(["text", "json"]).default("text"))
      .addHelpText(
        "after",
        "\nExamples:\n  whittle inspect api:1 --platform linux/arm64\n  whittle inspect oci:out --format json\n",
      )
      .action((image: string, flags: Flags) => run((context) => inspect(image, flags, context)));
  },
};

async function inspect(reference: string, flags: Flags, context: VerbContext): Promise<number> {
  const { readFrom } = await import("../../store/index.ts");
  const opened = await readFrom(reference, context, { store: await context.store() });
  try {
    const found: Inspected = {
      reference,
      digest: opened.descriptor.digest,
      mediaType: opened.descriptor.mediaType,
      images: await imagesOf(opened, reference, flags),
    };
    context.out(
      flags.format === "json" ? `${JSON.stringify(found, undefined, 2)}\n` : printable(asText(found)),
    );
  } finally {
    await opened.close();
  }
  return 0;
}

async function imagesOf(opened: OpenedImage, reference: string, flags: Flags): Promise<InspectedImage[]> {
  const { source, descriptor } = opened;
  if (flags.platform !== undefined) {
    const platform = parsePlatform(flags.platform);
    return [await imageOf(opened, await openImage(source, descriptor, platform, reference))];
  }
  const images: InspectedImage[] = [];
  for (const { descriptor: one } of await platformsOf(source, descriptor)) {
    images.push(await imageOf(opened, await openImage(source, one)));
  }
  return images;
}

async function imageOf(opened: OpenedImage, image: Image): Promise<InspectedImage> {
  const [manifest, config] = [await image.manifest(), await image.config()];
  const layers = (await image.layers()).map(({ descriptor, diffId, history }): InspectedLayer => {
    const { digest, mediaType, size } = descriptor;
    const createdBy = history?.created_by;
    return { digest, mediaType, size, diffId, ...(createdBy === undefined ? {} : { createdBy }) };
  });
  const referrers = (await opened.referrers(image.descriptor)).map(({ digest, artifactType, size }) => ({
    digest,
    ...(artifactType === undefined ? {} : { artifactType }),
    size,
  }));
  return {
    platform: formatPlatform(await image.platform()),
    digest: image.descriptor.digest,
    size: layers.reduce((sum, layer) => sum + layer.size, 0),
    ...(config.created === undefined ? {} : { created: config.created }),
    ...(config.author === undefined ? {} : { author: config.author }),
    config: config.config ?? {},
    layers,
    history: config.history ?? [],
    annotations: manifest.annotations ?? {},
    referrers,
  };
}

function asText(found: Inspected): string {
  const head = `${found.reference}\n  digest     ${found.digest}\n  type       ${found.mediaType}\n`;
  return [head, ...found.images.map(imageText)].join("\n");
}

function imageText(image: InspectedImage): string {
  const facts: [string, string][] = [
    ["digest", image.digest],
    ["size", `${formatBytes(image.size)} compressed, ${image.layers.length} layers`],
    ...(image.created === undefined ? [] : [["created", image.created] as [string, string]]),
    ...configFacts(image.config),
    ...Object.entries(image.annotations).map(([key, value]): [string, string] => [
      "annotation",
      `${key}=${value}`,
    ]),
    ...image.referrers.map((item): [string, string] => [
      "attached",
      `${item.artifactType ?? "artifact"} ${shortDigest(item.digest)}`,
    ]),
  ];
  const table = formatTable(
    [{ title: "LAYER" }, { title: "SIZE", align: "right" }, { title: "TYPE" }, { title: "CREATED BY" }],
    image.layers.map((layer) => [
      shortDigest(layer.digest),
      formatBytes(layer.size),
      layer.mediaType.replace(/^.*\.tar/, "tar"),
      layer.createdBy ?? "",
    ]),
  );
  const lines = [
    ...facts.map(([name, value]) => `  ${name.padEnd(10)} ${value}`),
    ...table
      .trimEnd()
      .split("\n")
      .map((line) => `  ${line}`),
  ];
  return `${image.platform}\n${lines.join("\n")}\n`;
}

/** The configuration in the words of a Dockerfile. */
function configFacts(config: ContainerConfig): [string, string][] {
  const facts: [string, string | undefined][] = [
    ["entrypoint", config.Entrypoint == null ? undefined : JSON.stringify(config.Entrypoint)],
    ["cmd", config.Cmd == null ? undefined : JSON.stringify(config.Cmd)],
    ["user", config.User],
    ["workdir", config.WorkingDir],
    ["expose", Object.keys(config.ExposedPorts ?? {}).join(" ")],
    ["volumes", Object.keys(config.Volumes ?? {}).join(" ")],
    ["stop", config.StopSignal],
    ["health", config.Healthcheck?.Test?.join(" ")],
    ...(config.Env ?? []).map((value): [string, string] => ["env", value]),
    ...Object.entries(config.Labels ?? {}).map(([key, value]): [string, string] => [
      "label",
      `${key}=${value}`,
    ]),
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== undefined && fact[1] !== "");
}
