import {
  type BlobSource,
  copyReachable,
  type Descriptor,
  formatReference,
  isPathReference,
  type PathReference,
  type PathTransport,
  parseReference,
  type Reference,
} from "../image/index.ts";
import { nearest, WhittleError, type Work } from "../io/index.ts";
import { chosenPart } from "./layout-image.ts";
import type { OpenedImage, ReadOptions, Transport, WriteOptions } from "./opened.ts";
import type { Store } from "./store.ts";

/** Each form is loaded when it is first used: a build that only tags needs none of them. */
const transports: Readonly<Record<PathTransport, () => Promise<Transport>>> = {
  oci: async () => (await import("./oci-directory.ts")).ociDirectory,
  "oci-archive": async () => (await import("./oci-archive.ts")).ociArchive,
  "docker-archive": async () => (await import("./docker-archive.ts")).dockerArchive,
  tar: async () => (await import("./rootfs.ts")).rootfsArchive,
  rootfs: async () => (await import("./rootfs-directory.ts")).rootfsDirectory,
};

/** The error for a name that the store does not have, with the one that was probably meant. */
async function notFound(shown: string, store: Store | undefined): Promise<WhittleError> {
  const names = ((await store?.list()) ?? []).map(({ reference }) => reference);
  const meant = names.find((name) => name.startsWith(`${shown}:`)) ?? nearest(shown, names);
  const suggestion = meant === undefined ? "" : `did you mean ${meant}? `;
  return new WhittleError("NOT_FOUND", `Cannot find the image ${shown}: the store has none of that name`, {
    hint: `${suggestion}whittle images lists what there is; whittle pull ${shown} gets it from a registry; oci:DIR and docker-archive:FILE read from elsewhere`,
  });
}

/**
 * Opens the image that a reference names: on disk through its transport, by name in the store.
 *
 * @param store - where bare names are looked up
 * @throws WhittleError `NOT_FOUND`, `REFERENCE_INVALID`, `IMAGE_INVALID`
 */
export async function readFrom(
  reference: string | Reference,
  work: Work,
  options: ReadOptions & { readonly store?: Store } = {},
): Promise<OpenedImage> {
  const parsed = parsedUnlessPrefix(reference);
  if (parsed !== undefined && isPathReference(parsed)) {
    const transport = await transports[parsed.transport]();
    return transport.open(parsed.path, parsed.tag, work, options);
  }
  const shown = typeof reference === "string" ? reference : formatReference(reference);
  if (parsed !== undefined && parsed.transport !== "store") {
    throw new WhittleError(
      "NOT_FOUND",
      `Cannot read ${shown} from here: ${parsed.transport} is not on this disk`,
    );
  }
  const { store } = options;
  const descriptor = await store?.resolve(reference);
  if (store === undefined || descriptor === undefined) throw await notFound(shown, store);
  return {
    source: store,
    descriptor,
    referrers: (subject, artifactType) => store.referrers(subject.digest, artifactType),
    close: async () => undefined,
  };
}

/** The first digits of a digest are for the store to understand. */
function parsedUnlessPrefix(reference: string | Reference): Reference | undefined {
  if (typeof reference !== "string") return reference;
  return /^sha256:[0-9a-f]{4,63}$/.test(reference) ? undefined : parseReference(reference);
}

/**
 * Writes an image where a reference says: into a file or directory through its transport, all or nothing, or
 * into the store under a name.
 *
 * @throws WhittleError `PLATFORM_UNSUPPORTED` when the form holds one platform and the image has several
 */
export async function writeTo(
  reference: string | Reference,
  source: BlobSource,
  descriptor: Descriptor,
  work: Work,
  options: WriteOptions & { readonly store?: Store } = {},
): Promise<void> {
  const parsed = typeof reference === "string" ? parseReference(reference) : reference;
  if (isPathReference(parsed)) return writeToPath(parsed, source, descriptor, work, options);
  const { store } = options;
  if (parsed.transport !== "store" || store === undefined) {
    throw new WhittleError("NOT_FOUND", `Cannot write ${formatReference(parsed)}: it is not on this disk`);
  }
  const part = await chosenPart(source, descriptor, options);
  for (const item of [part, ...(options.referrers ?? [])])
    await copyReachable(source, item, store, work.signal);
  await store.tag(parsed, part);
  for (const item of options.referrers ?? []) await store.attach(item);
}

async function writeToPath(
  { transport: name, path, tag }: PathReference,
  source: BlobSource,
  descriptor: Descriptor,
  work: Work,
  options: WriteOptions,
): Promise<void> {
  const transport = await transports[name]();
  const id = `write ${name}:${path}`;
  work.progress({ kind: "start", id, label: id });
  try {
    await transport.write(path, tag, source, descriptor, work, options);
    work.progress({ kind: "done", id, outcome: "done" });
  } catch (error) {
    work.progress({ kind: "done", id, outcome: work.signal.aborted ? "cancelled" : "failed" });
    throw error;
  }
}
