import { type Digest, isDigest } from "../io/index.ts";
import type { Tree, TreePath } from "../tree/index.ts";
import type { Dynamic } from "./dynamic.ts";
import type { ElfMachine } from "./machine.ts";
import { elfIfRead, recallElf } from "./read.ts";

/** What is known of an ELF file, as JSON holds it. */
export interface ElfFacts {
  readonly machine: ElfMachine;
  /** `e_type`. */
  readonly type: number;
  /** Absent where there is nothing for a dynamic loader to do. */
  readonly dynamic?: Omit<Dynamic, "tables">;
  readonly interpreter?: string;
  /** What was worked out of the rest of the file, by its name; see {@link ElfFile.derive}. */
  readonly more: Readonly<Record<string, unknown>>;
}

/** A file of a tree, the digest of its bytes, and what is known of them; `null` where they are no ELF file. */
type FileFacts = readonly [path: TreePath, digest: Digest, facts: ElfFacts | null];

/** What is known of the files of a tree; JSON can hold it. */
export type TreeFacts = readonly FileFacts[];

/** Raised when reading a file comes to other facts than before; whoever keeps facts keeps it with them. */
export const elfFactsVersion = 1;

/**
 * Has the files of a tree answer from facts that were kept, instead of being read. Facts of a file whose bytes are
 * others by now, or have no digest, are left out.
 *
 * @param kept - of {@link elfFactsOf}, as JSON gave it back; anything else counts as nothing
 * @returns what is believed of it
 */
export function recallElfFacts(tree: Tree, kept: unknown): TreeFacts {
  if (!Array.isArray(kept) || !kept.every(isFileFacts)) return [];
  return kept.filter(([path, digest, facts]) => {
    const entry = tree.get(path);
    if (entry?.type !== "file" || entry.content.digest !== digest) return false;
    recallElf(entry.content, facts, path);
    return true;
  });
}

/**
 * What is known by now of the files of a tree whose bytes have a digest.
 *
 * @param before - what was recalled: it stays known
 * @returns `undefined` when nothing is known beside that
 */
export async function elfFactsOf(tree: Tree, before: TreeFacts = []): Promise<TreeFacts | undefined> {
  const all = new Map(before.map((file) => [file[0], file]));
  let isMore = false;
  for (const [path, entry] of tree.entries()) {
    const digest = entry.type === "file" ? entry.content.digest : undefined;
    if (entry.type !== "file" || digest === undefined) continue;
    const read = await elfIfRead(entry.content);
    if (read === undefined || (all.get(path)?.[1] === digest && read.elf?.isFresh !== true)) continue;
    all.set(path, [path, digest, read.elf?.facts ?? null]);
    isMore = true;
  }
  return isMore ? [...all.values()] : undefined;
}

function isFileFacts(value: unknown): value is FileFacts {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const [path, digest, facts] = value as unknown[];
  if (typeof path !== "string" || typeof digest !== "string" || !isDigest(digest)) return false;
  return facts === null || isElfFacts(facts);
}

function isElfFacts(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { machine, type, dynamic, interpreter, more } = value as Partial<Record<keyof ElfFacts, unknown>>;
  const isObject = (one: unknown): boolean => typeof one === "object" && one !== null && !Array.isArray(one);
  return (
    isObject(machine) &&
    typeof type === "number" &&
    (dynamic === undefined || isObject(dynamic)) &&
    (interpreter === undefined || typeof interpreter === "string") &&
    isObject(more)
  );
}
