import { resolve } from "node:path";
import { readManifest } from "../image/index.ts";
import { writeFileAtomically } from "../io/index.ts";
import type { BuiltImage } from "../project/index.ts";
import type { VerbContext } from "./verb.ts";

/** A built image with the names that it got. */
export interface NamedBuild {
  readonly image: BuiltImage;
  readonly names: readonly string[];
}

/** Writes what scripts read: `--iidfile` and `--metadata-file`. */
export async function writeBuildFiles(
  built: readonly NamedBuild[],
  flags: { readonly iidfile?: string; readonly metadataFile?: string },
  context: VerbContext,
): Promise<void> {
  const [first] = built;
  if (first === undefined) return;
  const place = (path: string): string => resolve(context.currentDirectory, path);
  if (flags.iidfile !== undefined) {
    await writeFileAtomically(place(flags.iidfile), first.image.descriptor.digest);
  }
  if (flags.metadataFile === undefined) return;
  const entries = await Promise.all(
    built.map(async (one) => [one.image.name, await buildMetadata(one, context)] as const),
  );
  const value = entries.length === 1 ? entries[0]?.[1] : Object.fromEntries(entries);
  await writeFileAtomically(place(flags.metadataFile), `${JSON.stringify(value, undefined, 2)}\n`);
}

/** The members that buildx writes, and the platforms. */
async function buildMetadata(
  { image, names }: NamedBuild,
  context: VerbContext,
): Promise<Record<string, unknown>> {
  const [only, ...others] = image.platforms;
  const single = only !== undefined && others.length === 0;
  const config = single ? (await readManifest(await context.store(), only.descriptor)).config : undefined;
  return {
    ...(config === undefined ? {} : { "containerimage.config.digest": config.digest }),
    "containerimage.descriptor": image.descriptor,
    "containerimage.digest": image.descriptor.digest,
    ...(names.length === 0 ? {} : { "image.name": names.join(",") }),
    "whittle.platforms": image.platforms.map((platform) => platform.descriptor),
  };
}
