import type { Carved, Root, Surface } from "../../carve/index.ts";
import type { BlobSink, Platform } from "../../image/index.ts";
import { type Digest, sha256, WhittleError } from "../../io/index.ts";
import type { Tree, TreePath } from "../../tree/index.ts";
import { type Executor, type Input, inputOf } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import { computing } from "../turn.ts";
import { type PackagesValue, withKeptRecords } from "./packages.ts";
import { type SimulationRootsRecord, simulationRootsStep } from "./simulate.ts";
import { treeOfInput } from "./tree-value.ts";

/** A step whose record says what an application's files need, and not what is in them. */
export function surfaceStep(application: Step): Step {
  return { kind: "surface", parameters: null, inputs: { application } };
}

export const surfaceExecutor: Executor = {
  kind: "surface",
  version: 1,
  cached: true,
  async run(_step, inputs) {
    const surface = await surfaceOfInput(inputs);
    const record = surface.toJSON() as unknown as Json;
    return { digest: sha256(JSON.stringify(record)), record, value: surface };
  },
  load: (_step, _outcome, inputs) => surfaceOfInput(inputs),
};

async function surfaceOfInput(inputs: Readonly<Record<string, Input>>): Promise<Surface> {
  const { standardEvidence, surfaceOf } = await import("../../carve/index.ts");
  return surfaceOf(await treeOfInput(inputOf(inputs, "application")), standardEvidence());
}

/** What a carving step is told. */
export type CarveParameters = {
  readonly roots: readonly Json[];
  readonly keep: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly platform: Json;
};

/** A step that keeps of the packages what the roots and the application's surface reach. */
export function carveStep(
  inputs: { readonly packages: Step; readonly surface: Step; readonly simulation?: Step },
  parameters: CarveParameters,
  platform: string,
): Step {
  const { simulation, ...others } = inputs;
  return {
    kind: "carve",
    label: "carve",
    platform,
    parameters,
    inputs: simulation === undefined ? others : { ...others, simulation: simulationRootsStep(simulation) },
  };
}

/** What a carving step's record holds. */
export type CarveRecord = { readonly reasons: { readonly digest: Digest; readonly size: number } };

/**
 * Its record names the blob that holds the reasons; its value is the carved tree.
 *
 * @param expectLayer - told that a layer will follow, which takes about as long as getting ready to write it
 */
export function carveExecutor(sink: BlobSink, expectLayer?: () => void): Executor {
  return {
    kind: "carve",
    version: 1,
    cached: true,
    expect: () => expectLayer?.(),
    async run(step, inputs, context) {
      const { refuseMissing } = await import("../../carve/index.ts");
      const { known, ...carved } = await carveInputs(step, inputs, context.signal);
      refuseMissing(carved.missing);
      await checkMachine(carved.tree, step.parameters as CarveParameters);
      await known.keep(carved.tree);
      const bytes = Buffer.from(JSON.stringify(carved.reasons.toJSON()), "utf8");
      const digest = sha256(bytes);
      // The layer does not wait for a flush of the reasons.
      const settled = sink.add(one(bytes), { digest, size: bytes.length });
      const record: CarveRecord = { reasons: { digest, size: bytes.length } };
      return { digest: context.key, record, blobs: [digest], value: carved, settled };
    },
    async load(step, _outcome, inputs, context): Promise<Carved> {
      const { known: _, ...carved } = await carveInputs(step, inputs, context.signal);
      return carved;
    },
  };
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function carveInputs(
  step: Step,
  inputs: Readonly<Record<string, Input>>,
  signal: AbortSignal,
): Promise<Carved & { readonly known: KnownFiles }> {
  const { carve, standardEvidence } = await import("../../carve/index.ts");
  const parameters = step.parameters as CarveParameters;
  const simulation = inputs["simulation"]?.record as unknown as SimulationRootsRecord | undefined;
  const packages = await inputOf(inputs, "packages").value<PackagesValue>();
  const { tree } = packages;
  const surface = await inputOf(inputs, "surface").value<Surface>();
  const roots = [...(parameters.roots as unknown as Root[]), ...(simulation?.roots ?? [])];
  const { withLoaderCache } = await import("../../elf/index.ts");
  return computing(signal, async () => {
    const known = await recallFiles(packages);
    const configured = await withLoaderCache(tree, surface.tree);
    const carved = await carve(configured, roots, standardEvidence(), {
      surface,
      keep: parameters.keep,
      environment: parameters.environment,
      signal,
    });
    return { ...carved, tree: await withKeptRecords(carved.tree, packages), known };
  });
}

/** What is known of the ELF files of packages, which takes some hundred small reads to find out. */
interface KnownFiles {
  /** Keeps what was found out of the files of a tree for the next carve of these packages. */
  keep(tree: Tree): Promise<void>;
}

async function recallFiles({ tree, memory }: PackagesValue): Promise<KnownFiles> {
  const { elfFactsOf, elfFactsVersion, recallElfFacts } = await import("../../elf/index.ts");
  const place = memory(`elf-facts-v${elfFactsVersion}`);
  const before = recallElfFacts(tree, place.get());
  return {
    async keep(carved) {
      const facts = await elfFactsOf(carved, before);
      if (facts !== undefined) await place.set(facts);
    },
  };
}

/** Refuses an image that holds a program of another machine. */
async function checkMachine(tree: Tree, parameters: CarveParameters): Promise<void> {
  const { machineMatches, readElf } = await import("../../elf/index.ts");
  const { formatPlatform } = await import("../../image/index.ts");
  const platform = parameters.platform as unknown as Platform;
  const wrong: TreePath[] = [];
  for (const [path, entry] of tree.entries()) {
    if (entry.type !== "file" || entry.origin?.kind !== "package") continue;
    const elf = await readElf(entry.content);
    if (elf !== undefined && !machineMatches(elf, platform)) wrong.push(path);
  }
  if (wrong.length > 0) {
    throw new WhittleError(
      "ELF_INVALID",
      `Cannot make an image for ${formatPlatform(platform)}: ${wrong.slice(0, 3).join(", ")} ${wrong.length > 1 ? "are" : "is"} for another machine`,
    );
  }
}
