import { mkdir, stat } from "node:fs/promises";
import { type Environment, isSystemError, WhittleError } from "../io/index.ts";
import { treePath } from "../tree/index.ts";
import type { PlacedMount } from "./mounts.ts";
import type { RunnableImage, RunOptions } from "./options.ts";
import type { Privilege } from "./privilege.ts";
import type { ShownMount } from "./state.ts";
import { discardVolume, fillVolume, makeVolume, type StoredVolume } from "./volume-store.ts";
import type { BindMount, NamedVolume, Volume } from "./volumes.ts";

/** A container's volumes: as its state tells of them, and as they are mounted. */
export interface PlacedVolumes {
  readonly shown: readonly ShownMount[];
  readonly mounts: readonly PlacedMount[];
}

/**
 * Finds or makes what a container wants to be shown: directories of the machine, volumes, and volumes of its own
 * where its image declares them and nothing else is mounted.
 *
 * @throws WhittleError `NOT_FOUND` for a file or directory that is not there; `USAGE` when two want the same place
 */
export async function placeVolumes(
  image: RunnableImage,
  options: RunOptions,
  privilege: Privilege,
  environment: Environment,
): Promise<PlacedVolumes> {
  const asked = options.volumes ?? [];
  const taken = [...asked, ...(options.tmpfs ?? [])].map(({ destination }) => destination);
  const twice = taken.find((destination, index) => taken.indexOf(destination) !== index);
  if (twice !== undefined) {
    throw new WhittleError("USAGE", `Cannot mount two things at ${twice}: one is wanted`);
  }
  const declared = Object.keys(image.config.Volumes ?? {})
    .map((path) => treePath(path))
    .filter((path) => path !== "/" && !taken.includes(path));
  const own = declared.map((destination): Volume => ({ kind: "volume", destination, readOnly: false }));
  const shown: ShownMount[] = [];
  const mounts: PlacedMount[] = [];
  for (const volume of [...asked, ...own]) {
    const { kind, destination, readOnly } = volume;
    if (volume.kind === "bind") {
      const { source } = volume;
      await requireSource(volume);
      shown.push({ kind, source, destination, readOnly });
      mounts.push({ source, destination, readOnly });
    } else {
      const { name, place, anonymous } = await storedVolume(volume, image, privilege, environment);
      shown.push({ kind, source: name, destination, readOnly, ...(anonymous ? { anonymous } : {}) });
      mounts.push({ source: place, destination, readOnly });
    }
  }
  return { shown, mounts };
}

/** Removes the volumes that were made for a container alone. */
export async function discardOwn(mounts: readonly ShownMount[], environment: Environment): Promise<void> {
  for (const { anonymous, source } of mounts) {
    if (anonymous === true) await discardVolume(source, environment);
  }
}

async function requireSource({ source, create }: BindMount): Promise<void> {
  try {
    await stat(source);
  } catch (error) {
    if (create === true && isSystemError(error) && error.code === "ENOENT") {
      await mkdir(source, { recursive: true });
      return;
    }
    throw new WhittleError("NOT_FOUND", `Cannot mount ${source}: there is no such file or directory`, {
      cause: error,
    });
  }
}

async function storedVolume(
  volume: NamedVolume,
  image: RunnableImage,
  privilege: Privilege,
  environment: Environment,
): Promise<StoredVolume> {
  const stored = await makeVolume(volume.name, environment);
  if (volume.noCopy !== true) await fillVolume(stored, image, volume.destination, privilege);
  return stored;
}
