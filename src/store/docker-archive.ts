import {
  type Descriptor,
  documentLimits,
  isIndexType,
  isPathReference,
  parseReference,
  readManifest,
  staysElsewhere,
  storeName,
} from "../image/index.ts";
import { canonicalJson, readContent, redact, WhittleError } from "../io/index.ts";
import { blobName, type OpenedArchive, openArchive, writeArchive } from "./archive.ts";
import { chooseSaved, madeManifest, parseSaved, type SavedImage } from "./docker-saved.ts";
import { containerdNameAnnotation } from "./layout.ts";
import { layoutEntries, singleImage } from "./layout-image.ts";
import { layoutFiles, openLayoutArchive } from "./oci-archive.ts";
import type { OpenedImage, Transport } from "./opened.ts";

/**
 * `docker-archive:FILE[:NAME]`, the form of `docker save` and `docker load`. What we write is an image layout as
 * well, as Docker itself does it since version 25: its layers stay compressed, and the image's digest survives.
 */
export const dockerArchive: Transport = {
  async open(path, name, work, options) {
    const archive = await openArchive(path, work, options);
    try {
      return await openSaved(archive, path, name);
    } catch (error) {
      await archive.close();
      throw error;
    }
  },

  async write(path, name, source, descriptor, work, options) {
    const { descriptor: image } = await singleImage(source, descriptor, options, `docker-archive:${path}`);
    const names = (name === undefined ? (options.names ?? []) : [name]).map((text) => storeName(text));
    const manifest = await readManifest(source, image);
    const apart = manifest.layers.find(staysElsewhere);
    if (apart !== undefined) {
      throw new WhittleError(
        "USAGE",
        `Cannot write docker-archive:${path}: the layer ${apart.digest} may not be handed on, and such an archive has room for layers only`,
        {
          hint: `oci:DIR, oci-archive:FILE and registries keep where it is: ${redact(apart.urls?.[0] ?? "")}`,
        },
      );
    }
    const entries = layoutEntries(image, names).map((entry, i) => fullyNamed(entry, names[i]));
    const files = await layoutFiles(source, image, entries, options.referrers ?? [], work);
    const saved: SavedImage = {
      Config: blobName(manifest.config.digest),
      RepoTags: names,
      Layers: manifest.layers.map((layer) => blobName(layer.digest)),
    };
    files.set("manifest.json", canonicalJson([saved]));
    await writeArchive(path, files, work);
  },
};

function fullyNamed(entry: Descriptor, name: string | undefined): Descriptor {
  if (name === undefined) return entry;
  return { ...entry, annotations: { ...entry.annotations, [containerdNameAnnotation]: fullName(name) } };
}

/** `bar/s0:1` → `docker.io/bar/s0:1`, `x:latest` → `docker.io/library/x:latest`. */
function fullName(name: string): string {
  const parsed = parseReference(name);
  return isPathReference(parsed) ? name : `${parsed.registry}/${parsed.repository}:${parsed.tag ?? "latest"}`;
}

async function openSaved(
  archive: OpenedArchive,
  path: string,
  name: string | undefined,
): Promise<OpenedImage> {
  const member = archive.member("manifest.json");
  if (member === undefined) {
    throw new WhittleError("NOT_FOUND", `Cannot read docker-archive:${path}: it has no manifest.json`, {
      hint: "an image layout in a tar file is read as oci-archive:FILE, one of plain files as tar:FILE",
    });
  }
  const saved = chooseSaved(
    parseSaved(await readContent(member, undefined, documentLimits.bytes), path),
    name,
    path,
  );
  const kept = await keptManifest(archive, path, saved);
  if (kept !== undefined) return kept;
  const { source, descriptor } = await madeManifest(archive, path, saved);
  const [tag] = saved.RepoTags;
  return {
    source,
    descriptor,
    ...(tag === undefined ? {} : { name: tag }),
    referrers: async () => [],
    close: archive.close,
  };
}

/** Where the archive is an image layout too, the image as it was pushed, digest and all. */
async function keptManifest(
  archive: OpenedArchive,
  path: string,
  saved: SavedImage,
): Promise<OpenedImage | undefined> {
  if (archive.member("oci-layout") === undefined || archive.member("index.json") === undefined)
    return undefined;
  for (const name of [...saved.RepoTags, undefined]) {
    const opened = await openLayoutArchive(archive, path, name).catch(undefinedUnlessDamaged);
    if (opened === undefined || isIndexType(opened.descriptor.mediaType)) continue;
    const manifest = await readManifest(opened.source, opened.descriptor);
    if (blobName(manifest.config.digest) !== saved.Config) continue;
    const [tag] = saved.RepoTags;
    // Docker writes nothing but the tag into the layout.
    return tag === undefined ? opened : { ...opened, name: tag };
  }
  return undefined;
}

/** The layout may know the image by another name; damage must not be taken for that. */
function undefinedUnlessDamaged(error: unknown): undefined {
  const code = error instanceof WhittleError ? error.code : undefined;
  if (code !== "NOT_FOUND" && code !== "REFERENCE_INVALID") throw error;
}
