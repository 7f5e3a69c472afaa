import type { LoadedObject, Process } from "./process.ts";
import { searchDirectories } from "./tokens.ts";

/** One place where a loader looks. */
export interface Place {
  readonly directory: string;
  /** The very file, where the place names one (the cache does). */
  readonly file?: string;
  /** The rule by which it looks there. */
  readonly via: string;
}

/**
 * Where glibc looks for a name without a slash, in order (ld.so(8); `_dl_map_object` in elf/dl-load.c).
 * `DT_RPATH` counts only where the object has no `DT_RUNPATH`; then it counts for the whole chain of objects that
 * led here, and for the program.
 */
export function* glibcPlaces(process: Process, from: LoadedObject, name: string): Generator<Place> {
  const { rules } = process.settings;
  if (from.elf.runpath === undefined) yield* inheritedRpath(process, from);
  yield* environmentPlaces(process);
  if (from.elf.runpath !== undefined) {
    yield* places(process, from, from.elf.runpath, `RUNPATH of ${from.path}`);
  }
  for (const file of rules.cached(name)) {
    const directory = file.slice(0, file.lastIndexOf("/")) || "/";
    const isDefault = rules.directories.includes(directory);
    if (from.elf.noDefaultLibraries && isDefault) continue;
    // Where the loader would look anyway, the cache only spares it the looking.
    yield { directory, file, via: isDefault ? "default directories" : rules.cacheName };
  }
  if (from.elf.noDefaultLibraries) return;
  for (const directory of rules.directories) yield { directory, via: "default directories" };
}

function* inheritedRpath(process: Process, from: LoadedObject): Generator<Place> {
  let sawProgram = false;
  for (let object: LoadedObject | undefined = from; object !== undefined; object = object.requestedBy) {
    yield* rpathOf(process, object);
    sawProgram ||= object === process.program;
  }
  if (!sawProgram) yield* rpathOf(process, process.program);
}

function* rpathOf(process: Process, object: LoadedObject): Generator<Place> {
  const { rpath, runpath } = object.elf;
  if (rpath !== undefined && runpath === undefined) {
    yield* places(process, object, rpath, `RPATH of ${object.path}`);
  }
}

/**
 * Where musl looks (`load_library` in ldso/dynlink.c): the environment, then run paths of either kind along the
 * chain of objects that led here, then its own directories.
 */
export function* muslPlaces(process: Process, from: LoadedObject): Generator<Place> {
  yield* environmentPlaces(process);
  for (let object: LoadedObject | undefined = from; object !== undefined; object = object.requestedBy) {
    const { rpath, runpath } = object.elf;
    const parts = runpath ?? rpath;
    if (parts === undefined) continue;
    yield* places(process, object, parts, `${runpath === undefined ? "RPATH" : "RUNPATH"} of ${object.path}`);
  }
  for (const directory of process.settings.rules.directories) {
    yield { directory, via: "default directories" };
  }
}

function* environmentPlaces(process: Process): Generator<Place> {
  const { environment, rules } = process.settings;
  const parts = environment["LD_LIBRARY_PATH"]?.split(rules.dialect === "musl" ? /[:\n]/ : /[:;]/);
  if (parts !== undefined) yield* places(process, process.program, parts, "LD_LIBRARY_PATH");
}

function* places(
  process: Process,
  object: LoadedObject,
  parts: readonly string[],
  via: string,
): Generator<Place> {
  for (const directory of searchDirectories(parts, process.tokens(object))) yield { directory, via };
}
