import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Option } from "commander";
import { parseReference } from "../../image/index.ts";
import { explainSystemError, WhittleError } from "../../io/index.ts";
import {
  type BuildOptions,
  type BuiltImage,
  buildDockerfile,
  buildProject,
  readProject,
} from "../../project/index.ts";
import { builtTable } from "../built-table.ts";
import { chosenDockerfile, type DockerfileFlags, dockerfileOptions } from "../dockerfile-options.ts";
import { pairs, repeated } from "../options.ts";
import { type Output, parseOutput, writeOutput } from "../output.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags extends DockerfileFlags {
  readonly tag: readonly string[];
  readonly image: readonly string[];
  readonly platform: readonly string[];
  readonly label: readonly string[];
  readonly annotation: readonly string[];
  readonly output: readonly string[];
  readonly cache: boolean;
  readonly pull?: boolean;
  readonly locked?: boolean;
  readonly compression?: string;
  readonly metadataFile?: string;
  readonly iidfile?: string;
  readonly dryRun?: boolean;
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("[context]", "directory that holds what is built", ".")
      .option("-f, --file <file>", "the whittle.yaml or Dockerfile to build (default: that of the context)")
      .option("-t, --tag <reference>", "name the image gets in the store; repeatable", repeated, [])
      .option("--image <name>", "build this image of the recipe only; repeatable", repeated, [])
      .option("--platform <list>", "platforms to build for, separated by commas; repeatable", repeated, [])
      .option("--label <name=value>", "add a label; repeatable", repeated, [])
      .option("--annotation <name=value>", "add an annotation; repeatable", repeated, [])
      .option("--target <stage>", "stage of the Dockerfile to build")
      .option("--build-arg <name=value>", "value of an ARG of the Dockerfile; repeatable", repeated, [])
      .option(
        "--build-context <name=where>",
        "directory or docker-image://NAME for a name; repeatable",
        repeated,
        [],
      )
      .option(
        "--secret <spec>",
        "id=ID[,src=FILE|,env=NAME], for RUN --mount=type=secret; repeatable",
        repeated,
        [],
      )
      .option("--network <mode>", "network of RUN: default, none or host")
      .option("--add-host <host:address>", "line in /etc/hosts of RUN; repeatable", repeated, [])
      .option("-o, --output <spec>", "type=store|oci|docker|tar|local[,dest=PATH]; repeatable", repeated, [])
      .option("--no-cache", "run every step again")
      .option("--pull", "ask the archive for newer packages now")
      .option("--locked", "take exactly what whittle.lock records")
      .addOption(new Option("--compression <kind>", "gzip or zstd, with a level: zstd:19"))
      .option("--metadata-file <file>", "write what was built as JSON")
      .option("--iidfile <file>", "write the digest")
      .option("--dry-run", "print the graph and generated configuration, and build nothing")
      .addHelpText(
        "after",
        "\nExamples:\n  whittle build examples/api-simulator -t api:1\n  whittle build . --platform linux/amd64,linux/arm64 -o type=oci,dest=image\n",
      )
      .action((directory: string, flags: Flags) => run((context) => build(directory, flags, context)));
  },
};

async function build(directory: string, flags: Flags, context: VerbContext): Promise<number> {
  const outputs = flags.output.map(parseOutput);
  for (const tag of flags.tag) requireName(tag);
  const place = resolve(context.currentDirectory, directory);
  const platforms = flags.platform.flatMap((list) => list.split(",")).filter((name) => name !== "");
  const options: BuildOptions & { readonly labels: Record<string, string> } = {
    store: await context.store(),
    environment: context.environment,
    progress: context.progress,
    signal: context.signal,
    noCache: !flags.cache,
    ...(flags.pull === undefined ? {} : { pull: flags.pull }),
    ...(flags.locked === undefined ? {} : { locked: flags.locked }),
    ...(flags.image.length === 0 ? {} : { images: flags.image }),
    ...(platforms.length === 0 ? {} : { platforms }),
    ...(flags.compression === undefined ? {} : { compression: parseCompression(flags.compression) }),
    labels: pairs(flags.label, "--label"),
    annotations: pairs(flags.annotation, "--annotation"),
  };
  if (flags.platform.length > 0 && platforms.length === 0) {
    throw new WhittleError(
      "USAGE",
      `Cannot build for --platform "${flags.platform.join(" ")}": it names none`,
    );
  }
  const dockerfile = chosenDockerfile(place, flags.file, context.currentDirectory);
  if (dockerfile !== undefined) {
    const own = dockerfileOptions(flags, place, context.currentDirectory, context.environment);
    const { locked: _, annotations: __, compression: ___, ...rest } = options;
    const image = await buildDockerfile({ ...rest, ...own, context: place, file: dockerfile });
    return finish(
      [image],
      flags.tag.length > 0 ? () => flags.tag : () => [`${own.name}:latest`],
      outputs,
      flags,
      context,
    );
  }
  const project = await readProject(place, flags.file);
  const names = flags.image.length > 0 ? flags.image : Object.keys(project.recipe.images);
  if (names.length > 1 && (flags.tag.length > 0 || outputs.some((output) => output.type !== "store"))) {
    throw new WhittleError("USAGE", `Cannot give one name to ${names.length} images: ${names.join(", ")}`, {
      hint: "choose one with --image",
    });
  }
  if (flags.dryRun === true) {
    const { dryRun } = await import("../dry-run.ts");
    context.out(await dryRun(project, options));
    return 0;
  }
  const built = await buildProject(project, options);
  return finish(built, (image) => tagsOf(project.name, image, names.length, flags), outputs, flags, context);
}

/** Names, writes out and reports what was built. */
async function finish(
  built: readonly BuiltImage[],
  tags: (image: BuiltImage) => readonly string[],
  outputs: readonly Output[],
  flags: Flags,
  context: VerbContext,
): Promise<number> {
  for (const image of built) await deliver(image, tags(image), outputs, context);
  context.err(builtTable(built, context.colour));
  await writeFiles(built, flags);
  for (const image of built) context.out(`${image.descriptor.digest}\n`);
  return 0;
}

/** Finds a name that the store cannot give before anything is built. */
function requireName(tag: string): void {
  const { transport } = parseReference(tag);
  if (transport === "store") return;
  throw new WhittleError(
    "USAGE",
    `Cannot give the image the name "${tag}": it is a place, a name is wanted`,
    {
      hint: `-o type=oci|docker|tar|local,dest=PATH writes an image elsewhere`,
    },
  );
}

/** Without `-t` an image is called after its project, so that it can be run and inspected. */
function tagsOf(project: string, image: BuiltImage, count: number, flags: Flags): readonly string[] {
  if (flags.tag.length > 0) return flags.tag;
  const usual = `${project}:${image.name}`;
  return count === 1 ? [usual, `${project}:latest`] : [usual];
}

async function deliver(
  image: BuiltImage,
  tags: readonly string[],
  outputs: readonly Output[],
  context: VerbContext,
): Promise<void> {
  const store = await context.store();
  if (outputs.length === 0 || outputs.some((output) => output.type === "store")) {
    for (const referrer of image.referrers) await store.attach(referrer, { replace: true });
    for (const tag of tags) await store.tag(tag, image.descriptor);
  }
  for (const output of outputs) {
    if (output.type !== "store") await writeOutput(output, image, tags, store, context);
  }
}

async function writeFiles(built: readonly BuiltImage[], flags: Flags): Promise<void> {
  const [first] = built;
  if (first === undefined) return;
  if (flags.iidfile !== undefined) await write(flags.iidfile, first.descriptor.digest);
  if (flags.metadataFile !== undefined) {
    const entries = built.map((image) => [image.name, metadata(image)] as const);
    const value = built.length === 1 ? metadata(first) : Object.fromEntries(entries);
    await write(flags.metadataFile, `${JSON.stringify(value, undefined, 2)}\n`);
  }
}

/** The members that buildx writes, and the platforms. */
function metadata(image: BuiltImage): Record<string, unknown> {
  return {
    "containerimage.digest": image.descriptor.digest,
    "containerimage.descriptor": image.descriptor,
    "whittle.platforms": image.platforms.map((platform) => platform.descriptor),
  };
}

async function write(path: string, text: string): Promise<void> {
  await writeFile(path, text).catch((error: unknown) => {
    throw explainSystemError(error, `write ${path}`);
  });
}

function parseCompression(text: string): NonNullable<BuildOptions["compression"]> {
  const match = /^(gzip|zstd|none)(?::(\d{1,2}))?$/.exec(text);
  const most = match?.[1] === "zstd" ? 22 : 9;
  const level = match?.[2] === undefined ? undefined : Number(match[2]);
  if (match === null || (level !== undefined && level > most)) {
    throw new WhittleError(
      "USAGE",
      `Cannot compress with "${text}": gzip[:0-9], zstd[:1-22] or none is wanted`,
    );
  }
  const type = match[1] === "zstd" ? "zstd" : match[1] === "none" ? "none" : "gzip";
  return { type, ...(level === undefined ? {} : { level }) };
}
