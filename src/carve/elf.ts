import type { ElfFile, Loader, ResolvedNeed } from "../elf/index.ts";
import type { TreePath } from "../tree/index.ts";
import { dynamicElf, libraryNames, loaderFor, unlessMalformed } from "./elf-loader.ts";
import type { Evidence, EvidenceContext, How, Need } from "./need.ts";

/** What of ELF evidence is wanted; all of it by default. */
export interface ElfEvidenceOptions {
  /** Libraries that `.note.dlopen` names. */
  readonly dlopenNotes?: boolean;
  /** Libraries whose names stand in the read-only data of an object that imports `dlopen`. */
  readonly dlopenStrings?: boolean;
}

/**
 * What ELF programs and libraries need, by the rules of their dynamic loader: the loader itself, `DT_NEEDED`,
 * and the libraries that they can be seen to open while running.
 */
export function elfEvidence(options: ElfEvidenceOptions = {}): Evidence {
  return {
    name: "elf",
    async *needs(path, context) {
      const elf = await dynamicElf(path, context);
      if (elf === undefined) return;
      const loader = loaderFor(context);
      yield* linkNeeds(path, elf, loader, context);
      if (options.dlopenNotes !== false) yield* noteNeeds(path, elf, loader);
      if (options.dlopenStrings !== false) yield* stringNeeds(path, elf, loader);
    },
    reads: async (path) => path === "/etc/ld.so.preload",
  };
}

async function* linkNeeds(
  path: TreePath,
  elf: ElfFile,
  loader: Loader,
  context: EvidenceContext,
): AsyncGenerator<Need> {
  const resolved = await unlessMalformed(loader.resolve(path));
  if (resolved === undefined) return;
  if (resolved.interpreter !== undefined) {
    yield { path: resolved.interpreter, how: { kind: "elf-interpreter" }, missing: "report" };
  }
  const isProgram = elf.interpreter !== undefined;
  for (const need of resolved.needed) {
    yield* needed(need, isProgram || !isElsewhere(need, context));
    yield* versionNeeds(elf, need);
  }
  if (isProgram) yield* inheritedNeeds(path, loader, context);
}

/**
 * Symbol versions that are wanted of a library and that it does not have: the loader finds it and then refuses to
 * start the program ("version `GLIBC_2.38' not found"). A library without any versions is taken as it is.
 */
async function* versionNeeds(elf: ElfFile, need: ResolvedNeed): AsyncGenerator<Need> {
  if (need.object === undefined) return;
  const all = (await unlessMalformed(elf.versionsNeeded())) ?? [];
  const wanted = all.find(({ file }) => file === need.soname)?.versions ?? [];
  if (wanted.length === 0) return;
  const defined = new Set((await unlessMalformed(need.object.elf.versionsDefined())) ?? []);
  if (defined.size === 0) return;
  for (const version of wanted) {
    if (defined.has(version)) continue;
    const how: How = {
      kind: "elf-needed",
      soname: need.soname,
      searched: need.searched,
      via: `${need.via}; it lacks the version ${version}`,
    };
    yield { path: `${need.object.realPath}@${version}`, how, missing: "report" };
  }
}

/**
 * What the libraries of a program need in this program otherwise than by themselves: found by the program's
 * RPATH, or preloaded. A library is asked for its own needs once, whoever loads it, so the program has to say
 * these.
 */
async function* inheritedNeeds(
  path: TreePath,
  loader: Loader,
  context: EvidenceContext,
): AsyncGenerator<Need> {
  const closure = await unlessMalformed(loader.closure(path));
  for (const need of closure?.needs ?? []) {
    const alone = (await loader.resolve(need.from.realPath))?.needed.find(
      ({ soname }) => soname === need.soname,
    );
    if (need.object === undefined) {
      if (alone === undefined || isElsewhere(need, context)) yield* needed(need, true);
    } else if (alone?.object?.realPath !== need.object.realPath) {
      yield* needed(need, true);
    }
  }
}

/**
 * Whether a library of the missing name is somewhere in the tree, outside the search path. Then whoever loads
 * this object may well have loaded that one first, by its path; so do Java's and Python's own libraries.
 */
function isElsewhere(need: ResolvedNeed, { tree }: EvidenceContext): boolean {
  return need.object === undefined && libraryNames(tree).has(need.soname);
}

function* needed(need: ResolvedNeed, report: boolean): Generator<Need> {
  const missing = report && !need.optional ? "report" : "ignore";
  const how: How = {
    kind: "elf-needed",
    soname: need.soname,
    searched: need.searched,
    via: need.path === null ? "not found" : need.via,
  };
  yield { path: need.path ?? placeOfMissing(need), how, missing };
  // Found by the configuration, which loaders do not read: they read what ldconfig makes of it.
  if (need.via === "/etc/ld.so.conf") {
    yield { path: "/etc/ld.so.cache", how: { kind: "libc", what: "ld.so" }, missing };
  }
  for (const directory of need.through) yield { path: directory, how, missing };
  for (const variant of need.variants) {
    yield { path: variant, how: { ...how, via: "glibc-hwcaps, for newer processors" }, missing: "ignore" };
  }
}

function placeOfMissing({ soname, searched }: ResolvedNeed): TreePath {
  if (soname.startsWith("/")) return soname;
  return `${searched.at(-1) ?? "/lib"}/${soname.slice(soname.lastIndexOf("/") + 1)}`;
}

/** Of each feature's alternatives the first that is there: the program opens no other then. */
async function* noteNeeds(path: TreePath, elf: ElfFile, loader: Loader): AsyncGenerator<Need> {
  for (const note of (await unlessMalformed(elf.dlopenNotes())) ?? []) {
    const { feature, priority } = note;
    const how = (soname: string): How => ({
      kind: "elf-dlopen-note",
      soname,
      ...(feature === undefined ? {} : { feature }),
      priority,
    });
    const found = await firstFound(path, note.sonames, loader);
    if (found !== undefined) yield { path: found.path, how: how(found.soname), missing: "ignore" };
    else if (priority === "required") {
      const [soname = ""] = note.sonames;
      yield { path: `/lib/${soname}`, how: how(soname), missing: "report" };
    }
  }
}

async function firstFound(
  path: TreePath,
  sonames: readonly string[],
  loader: Loader,
): Promise<{ readonly soname: string; readonly path: TreePath } | undefined> {
  for (const soname of sonames) {
    const found = (await loader.find(path, soname))?.path;
    if (found !== undefined && found !== null) return { soname, path: found };
  }
  return undefined;
}

/** What a note says is not taken from strings as well: the note knows alternatives and what each is good for. */
async function* stringNeeds(path: TreePath, elf: ElfFile, loader: Loader): AsyncGenerator<Need> {
  if (!(await unlessMalformed(elf.mentionsDlopen()))) return;
  const notes = (await unlessMalformed(elf.dlopenNotes())) ?? [];
  const known = new Set([elf.soname, ...elf.needed, ...notes.flatMap(({ sonames }) => sonames)]);
  for (const soname of (await unlessMalformed(elf.rodataSonames())) ?? []) {
    if (known.has(soname)) continue;
    const found = (await loader.find(path, soname))?.object;
    if (found === undefined || found.realPath === path) continue;
    yield { path: found.path, how: { kind: "elf-dlopen-string", soname }, missing: "ignore" };
  }
}
