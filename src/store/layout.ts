import { randomBytes } from "node:crypto";
import { open, readFile, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type Descriptor, type Index, mediaTypes, parseIndex } from "../image/index.ts";
import {
  canonicalJson,
  explainSystemError,
  makeDirectories,
  syncDirectory,
  WhittleError,
} from "../io/index.ts";
import { isMissing } from "./missing.ts";

/** The annotation that carries an image's name in a layout (image-spec, "Pre-Defined Annotation Keys"). */
export const refNameAnnotation = "org.opencontainers.image.ref.name";

/** The annotation that containerd's importer and exporter keep an image's full name in. */
export const containerdNameAnnotation = "io.containerd.image.name";

/** The file that says that a directory is an image layout, and its one version. */
export const layoutMarker = { name: "oci-layout", text: '{"imageLayoutVersion":"1.0.0"}' } as const;

// A store with a hundred thousand tags is still read; a bomb is not.
const indexLimits = { bytes: 64 * 1024 * 1024, depth: 32, values: 4_000_000 };
const mostMarkerBytes = 4096;

/**
 * Whether a directory is an image layout.
 *
 * @returns false when it has no `oci-layout` file or does not exist
 * @throws WhittleError `STORE_INVALID` when the file is there and says something else
 */
export async function isLayout(directory: string): Promise<boolean> {
  const path = join(directory, layoutMarker.name);
  const bytes = await readSmallFile(path, mostMarkerBytes);
  if (bytes === undefined) return false;
  checkLayoutMarker(bytes.toString("utf8"), path);
  return true;
}

/** The bytes of a file that may have come from anywhere; nothing when there is none. */
async function readSmallFile(path: string, limit: number): Promise<Buffer | undefined> {
  try {
    const { size } = await stat(path);
    if (size <= limit) return await readFile(path);
    throw new WhittleError(
      "STORE_INVALID",
      `Cannot read ${path}: it has ${size} bytes, at most ${limit} are accepted`,
    );
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw explainSystemError(error, `read ${path}`);
  }
}

/**
 * Checks the text of an `oci-layout` file.
 *
 * @throws WhittleError `STORE_INVALID`
 */
export function checkLayoutMarker(text: string, path: string): void {
  let version: unknown;
  try {
    const marker = JSON.parse(text) as unknown;
    version = (marker as { imageLayoutVersion?: unknown } | null | undefined)?.imageLayoutVersion;
  } catch {
    version = undefined;
  }
  if (version !== "1.0.0") {
    throw new WhittleError(
      "STORE_INVALID",
      `Cannot use ${path}: it says ${JSON.stringify(text.slice(0, 60))}, an image layout of version 1.0.0 is wanted`,
    );
  }
}

/**
 * Reads the `index.json` of a layout.
 *
 * @throws WhittleError `STORE_INVALID` when it is missing, `IMAGE_INVALID` when it is malformed
 */
export async function readLayoutIndex(directory: string): Promise<Index> {
  const path = join(directory, "index.json");
  const bytes = await readSmallFile(path, indexLimits.bytes);
  if (bytes === undefined) {
    throw new WhittleError(
      "STORE_INVALID",
      `Cannot use ${directory} as an image layout: it has no index.json`,
    );
  }
  return parseIndex(bytes, path, indexLimits);
}

/** The bytes of an `index.json` over these descriptors, by name and then by digest. */
export function layoutIndexText(
  manifests: readonly Descriptor[],
  annotations: Readonly<Record<string, string>> = {},
): string {
  const sorted = [...manifests].sort((a, b) => compare(sortKey(a), sortKey(b)));
  return canonicalJson({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: sorted,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  });
}

function sortKey(descriptor: Descriptor): string {
  // Nameless entries come last: ~ is above every character of a name.
  return `${descriptor.annotations?.[refNameAnnotation] ?? "~"} ${descriptor.digest}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Puts a file in its place in one instant: whoever reads sees the old bytes or the new ones, after a power cut
 * too.
 *
 * @param temporary - a directory on the same file system; made when it is missing
 */
export async function replaceFile(path: string, text: string, temporary: string): Promise<void> {
  const unfinished = join(temporary, `file-${process.pid}-${randomBytes(6).toString("hex")}`);
  try {
    await makeDirectories(temporary);
    const handle = await open(unfinished, "wx", 0o644);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(unfinished, path);
    await syncDirectory(join(path, ".."));
  } catch (error) {
    await unlink(unfinished).catch(() => undefined);
    throw explainSystemError(error, `write ${path}`);
  }
}
