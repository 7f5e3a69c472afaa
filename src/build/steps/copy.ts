import { contentDigest, located, type SourceLocation, WhittleError } from "../../io/index.ts";
import { type IndexedMember, treeOfMembers } from "../../tar/index.ts";
import { changes, type Entry, nameOf, sameEntry, Tree, TreeBuilder, treePath } from "../../tree/index.ts";
import { findOwner } from "../copy/owner.ts";
import { matchesParents } from "../copy/pattern.ts";
import { findSources } from "../copy/sources.ts";
import { type CopyRules, CopyTarget, sameButTime } from "../copy/target.ts";
import { archiveMembers } from "../copy/unpack.ts";
import { type Executor, type ExecutorContext, type Input, inputOf } from "../executor.ts";
import type { Step } from "../graph.ts";
import { layerAttributes } from "../layer-attributes.ts";
import { parseMode } from "../mode.ts";
import { type LayeredValue, layered, layeredDigest } from "./layered-value.ts";
import { treeOfInput } from "./tree-value.ts";

/** One source of a copy: a path or pattern in the tree of an input. */
export type CopiedSource = {
  readonly input: string;
  /** Absolute and clean. */
  readonly path: string;
  /** Take archives apart instead of copying them. */
  readonly unpack: boolean;
  /** With `--parents`: what below `path` is wanted; its directories come along. */
  readonly include?: string;
  /** Nothing of the path is a pattern. */
  readonly exact?: boolean;
};

/** What a copying step is told. */
export type CopyParameters = {
  readonly sources: readonly CopiedSource[];
  /** Absolute; a trailing slash says that it is a directory. */
  readonly destination: string;
  /** As `--chown` takes it. */
  readonly owner?: string;
  /** As `--chmod` takes it. */
  readonly mode?: string;
  readonly excludes: readonly string[];
  /** `--link`: the layer is made over nothing, so that it does not depend on what is below. */
  readonly alone?: boolean;
  /** Seconds since the epoch, for directories that are made on the way. */
  readonly mtime: number;
};

/** What a copying step needs that is no part of its key. */
export interface CopyLocal {
  /** Patterns of `--exclude` made into a question. */
  readonly excluded: (patterns: readonly string[]) => (path: string) => boolean;
  /** Where the instruction stands, for errors. */
  readonly at?: SourceLocation;
  /** Where archives are unpacked to. */
  readonly cacheDirectory: string;
  /** The time that was asked for, if any: `SOURCE_DATE_EPOCH`. */
  readonly epoch?: number;
}

/** A step that copies from trees into the tree `lower`. */
export function copyStep(
  lower: Step,
  sources: Readonly<Record<string, Step>>,
  parameters: CopyParameters,
  local: CopyLocal,
  label?: string,
): Step {
  return {
    kind: "copy",
    ...(label === undefined ? {} : { label }),
    parameters,
    inputs: { lower, ...sources },
    local,
  };
}

export const copyExecutor: Executor = {
  kind: "copy",
  version: 3,
  cached: true,
  async run(step, inputs, context) {
    const value = await copied(step, inputs, context).catch((error: unknown) => {
      throw located(error, (step.local as CopyLocal).at);
    });
    return { digest: await layeredDigest(inputOf(inputs, "lower"), value.changes), record: null, value };
  },
  load: (step, _outcome, inputs, context) => copied(step, inputs, context),
};

async function copied(
  step: Step,
  inputs: Readonly<Record<string, Input>>,
  work: ExecutorContext,
): Promise<LayeredValue> {
  const parameters = step.parameters as CopyParameters;
  const local = step.local as CopyLocal;
  const lower = await treeOfInput(inputOf(inputs, "lower"));
  const rules = await rulesOf(parameters, local, lower);
  const start = parameters.alone === true ? Tree.empty : lower;
  let target = new CopyTarget(start, rules);
  for (const source of parameters.sources) {
    const tree = await treeOfInput(inputOf(inputs, source.input));
    const found = source.exact ? [{ path: source.path, real: source.path }] : findSources(tree, source.path);
    if (source.include !== undefined) target = target.with(includeRules(rules, source.include));
    for (const { path, real } of found) {
      const unpacked = source.unpack ? await unpack(tree, real, target, parameters, local, work) : undefined;
      if (unpacked !== undefined) target = new CopyTarget(unpacked, rules);
      else target.copy(tree, real, nameOf(path), parameters.destination);
    }
    if (source.include !== undefined) target = target.with(rules);
  }
  return layered(lower, changes(start, target.builder.tree()));
}

async function rulesOf(parameters: CopyParameters, local: CopyLocal, lower: Tree): Promise<CopyRules> {
  const { owner, mode, excludes, mtime } = parameters;
  return {
    now: mtime,
    ...(owner === undefined ? {} : { owner: await findOwner(owner, lower) }),
    ...(mode === undefined ? {} : modeRules(mode)),
    ...(excludes.length === 0 ? {} : { excluded: local.excluded(excludes) }),
  };
}

/**
 * Directories that are made on the way get the permissions of a mode in digits as well, as far as docker's umask of
 * 022 leaves them; symbols change modes that are there.
 */
function modeRules(text: string): Pick<CopyRules, "mode" | "madeMode"> {
  const mode = parseMode(text);
  return /^[0-7]+$/.test(text) ? { mode, madeMode: mode(0o755, true) & 0o755 } : { mode };
}

function includeRules(rules: CopyRules, include: string): CopyRules {
  const expressions = [include, `${include}/**`];
  return { ...rules, included: (path) => expressions.some((pattern) => matchesParents(pattern, path)) };
}

/** Other errors come back unchanged. */
function damaged(error: unknown, archive: string): unknown {
  if (!(error instanceof WhittleError) || error.code !== "ARCHIVE_CORRUPT") return error;
  return new WhittleError("ARCHIVE_CORRUPT", `Cannot unpack ${archive}: ${error.message}`, {
    cause: error,
    hint: "make or fetch the archive again; COPY, and ADD --unpack=false, take it as it is",
  });
}

/** The tree with an archive taken apart in it, or undefined when the source is no archive. */
async function unpack(
  tree: Tree,
  real: string,
  target: CopyTarget,
  parameters: CopyParameters,
  local: CopyLocal,
  work: ExecutorContext,
): Promise<Tree | undefined> {
  const entry = tree.get(real);
  if (entry?.type !== "file") return undefined;
  const name = real.replace(/^\//, "");
  const members = await archiveMembers(entry.content, `${local.cacheDirectory}/unpacked`, work).catch(
    (error: unknown) => {
      throw damaged(error, name);
    },
  );
  if (members === undefined) return undefined;
  // The mode of the archive's members stays, and so does that of directories that are made for them.
  const directory = target.makeDirectories(treePath(parameters.destination), 0o755);
  const lower = target.builder.tree();
  const node = lower.node(directory);
  if (node?.children === undefined) {
    throw new WhittleError("STEP_FAILED", `Cannot unpack ${name} to ${directory}: a file is there`);
  }
  // The archive's own top changes nothing of the directory that it goes into.
  const named = members.filter(({ name }) => treePath(name) !== "/");
  // As in BuildKit, links on the way to a member lead nowhere outside the directory that it is unpacked to.
  const inside = new Tree(node);
  const unpacked = treeOfMembers(
    named.map((member) => layerAttributes({ ...asUnpacked(member), ...target.owner })),
    { lower: inside },
  );
  const top = directory === "/";
  const builder = new TreeBuilder(undefined, top ? unpacked : lower);
  for (const [path, entry] of unpacked.entries()) {
    const there = inside.get(path);
    if (there === entry) continue;
    if (there !== undefined && (await unchanged(there, entry))) {
      if (top) builder.set(path, there);
    } else if (!top) builder.set(`${directory}${path}`, entry);
  }
  return builder.tree();
}

/** Whether unpacking left things as they were; the time of a directory alone is no change. */
async function unchanged(there: Entry, entry: Entry): Promise<boolean> {
  if (there.type === "directory") return sameButTime(there, entry);
  if (there.type !== "file" || entry.type !== "file") return sameEntry(there, entry);
  if (there.content.size !== entry.content.size || !sameEntry(there, { ...entry, content: there.content })) {
    return false;
  }
  return (await contentDigest(there.content)) === (await contentDigest(entry.content));
}

/** Links have one mode wherever they are unpacked. */
function asUnpacked(member: IndexedMember): IndexedMember {
  return member.type === "symlink" ? { ...member, mode: 0o777 } : member;
}
