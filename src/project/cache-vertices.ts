import {
  type CopyParameters,
  changesTrees,
  OutcomeLost,
  type Solved,
  type Step,
  stepsOf,
  type TreeValue,
} from "../build/index.ts";
import {
  type CacheRecord,
  type ContentOf,
  RecordWriter,
  type Vertex,
  type VertexKnowledge,
  Vertices,
} from "../buildkit/index.ts";
import { type Digest, digestOfJson, isDigest, WhittleError } from "../io/index.ts";
import { type JsonValue, openCache } from "../store/index.ts";
import type { Tree } from "../tree/index.ts";
import type { CacheHome } from "./cache-place.ts";
import type { LayerStacks, PackedLayer } from "./cache-stacks.ts";

/** What is written of steps. */
export interface RecordedParts {
  readonly stacks: LayerStacks;
  /** The number of a stack's uppermost layer in the cache. */
  readonly place: (stack: readonly PackedLayer[]) => number | undefined;
  /**
   * What is told of the contents that steps read: `needed`, where nothing else tells what they stand on, as with a
   * context; `at hand`, also what other steps came to where that is here, so that BuildKit finds what came to the same.
   */
  readonly contents: "needed" | "at hand";
}

/**
 * The records by which BuildKit finds what steps came to: of every step that is an operation of BuildKit's, with the
 * layers that hold its result where those go along.
 *
 * @param solved - inputs first
 */
export async function buildkitRecords(
  solved: ReadonlyMap<Step, Solved>,
  { stacks, place, contents }: RecordedParts,
  home: CacheHome,
): Promise<readonly CacheRecord[]> {
  const vertices = new Vertices((step) => treeHere(step, solved, home));
  const writer = new RecordWriter();
  for (const [step, one] of solved) {
    home.signal.throwIfAborted();
    if (!changesTrees(step)) continue;
    const vertex = await vertices.of(step);
    if (vertex === undefined) continue;
    const content = contentsOf(one, contents, home);
    const stack = await stacks.of(step);
    const alone = ownVertex(step, vertex);
    if (alone !== undefined) await writer.add(alone, { content, ...resultOf(stack?.slice(-1), place) });
    await writer.add(vertex, { content, ...resultOf(stack, place) });
  }
  return writer.records;
}

/** Says that files would have to be fetched, or made again, to be looked at. */
class FilesElsewhere extends Error {}

/** The tree of a step, without fetching anything for it. */
async function treeHere(step: Step, solved: ReadonlyMap<Step, Solved>, { store }: CacheHome): Promise<Tree> {
  for (const below of stepsOf([step])) {
    for (const blob of solved.get(below)?.blobs ?? []) {
      if (!(await store.has(blob))) throw new FilesElsewhere();
    }
  }
  const found = solved.get(step);
  if (found === undefined) throw new Error("Internal error: a step of a cache was not solved");
  return (await found.value<TreeValue>()).tree;
}

function resultOf(
  stack: readonly PackedLayer[] | undefined,
  place: RecordedParts["place"],
): Pick<VertexKnowledge, "result"> {
  const layer = stack === undefined ? undefined : place(stack);
  return layer === undefined ? {} : { result: { layer } };
}

/** What `COPY --link` comes to over nothing, before it is merged with what is below. */
function ownVertex(step: Step, { inputs }: Vertex): Vertex | undefined {
  const isAlone = step.kind === "copy" && (step.parameters as CopyParameters).alone === true;
  const [lower, own] = inputs;
  return isAlone && lower?.content === undefined && inputs.length === 2 ? own?.vertex : undefined;
}

// Raised when what is remembered was computed in a way that is no longer right.
const hashVersion = 4;

/** What a step reads of its inputs. Hashing that is remembered for the step's key, which is of the same files. */
function contentsOf({ key }: Solved, wanted: RecordedParts["contents"], { store }: CacheHome): ContentOf {
  const memory = openCache(store.directory);
  return async ({ vertex, content }, index, { names }) => {
    if (content === undefined || (wanted === "needed" && vertex !== undefined)) return [];
    // A context and a stage may have the same files, but not the same top directory.
    const isNamed = vertex !== undefined;
    const place = digestOfJson({ read: key, as: names, input: index, isNamed, version: hashVersion });
    const known = knownDigests(await memory.get(place));
    if (known !== undefined) return known;
    const digests = await hashed(content);
    if (digests.length > 0) await memory.set(place, digests);
    return digests;
  };
}

/** Nothing for files that are not here; and where BuildKit would find nothing to hash, its own build fails. */
async function hashed(content: () => Promise<readonly Digest[]>): Promise<readonly Digest[]> {
  try {
    return await content();
  } catch (error) {
    if (error instanceof FilesElsewhere || error instanceof OutcomeLost) return [];
    if (error instanceof WhittleError && error.code === "STEP_FAILED") return [];
    throw error;
  }
}

function knownDigests(value: JsonValue | undefined): readonly Digest[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const digests = value.filter((one): one is Digest => typeof one === "string" && isDigest(one));
  return digests.length === value.length ? digests : undefined;
}
