import type { BlobSink, BlobSource } from "../../image/index.ts";
import { type Digest, noProgress, sha256, WhittleError } from "../../io/index.ts";
import type { BuildStepResult } from "../../sandbox/index.ts";
import { apply, type Changes, type TreePath, treePath } from "../../tree/index.ts";
import { type Executor, type ExecutorContext, type Input, inputOf } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import { heard, type LayerListener } from "../layers/index.ts";
import { changesLeft } from "../run/left.ts";
import { linkedNames, withLinkedNames } from "../run/linked.ts";
import type { RunLocal, RunParameters } from "../run/parameters.ts";
import { PrintedLines } from "../run/printed-lines.ts";
import { wantedLayer } from "./layer.ts";
import { type LayeredValue, layered, layersOf } from "./layered-value.ts";
import { memberList } from "./member-lists.ts";
import { treeOfInput } from "./tree-value.ts";

/** A step that runs a command over the tree `lower`. */
export function runStep(
  lower: Step,
  mounted: Readonly<Record<string, Step>>,
  parameters: RunParameters,
  local: RunLocal,
  label?: string,
): Step {
  return {
    kind: "run",
    ...(label === undefined ? {} : { label }),
    parameters: parameters as unknown as Json,
    inputs: { lower, ...mounted },
    local,
  };
}

/** The layer that a run left, uncompressed, in the store. */
type RunRecord = {
  readonly tar: { readonly digest: Digest; readonly size: number };
  /** See {@link linkedNames}. */
  readonly linked?: readonly (readonly TreePath[])[];
};

/**
 * Its outcome is what the command changed, kept as a tar in the store. Where nothing but a layer
 * of that is wanted, the layer is compressed in the same pass.
 */
export function runExecutor(blobs: BlobSink & BlobSource, listener?: LayerListener): Executor {
  return {
    kind: "run",
    version: 2,
    cached: true,
    lazy: true,
    expect(step, work) {
      const { environment } = step.local as RunLocal;
      const { network } = step.parameters as unknown as RunParameters;
      // Whatever is wrong is told when the step itself asks.
      void import("../../sandbox/index.ts")
        .then(({ expectNetwork }) => expectNetwork({ network }, work, environment))
        .catch(() => undefined);
    },
    async run(step, inputs, context) {
      const { writeLayer } = await import("../../image/index.ts");
      const lower = inputOf(inputs, "lower");
      const running = new Running(step, inputs, context);
      try {
        const result = await running.end();
        const changes = await running.changes(result);
        const wanted = wantedLayer(context.dependents);
        const write = (growing?: (file: string) => void) =>
          writeLayer(changes, blobs, {
            compression: wanted?.compression ?? { type: "none" },
            keepPlain: wanted !== undefined && wanted.compression.type !== "none",
            work: { progress: noProgress, signal: context.signal },
            growing,
          });
        const layer = await (wanted === undefined ? write() : heard(listener, write));
        const tar = { digest: layer.diffId, size: layer.unpackedSize };
        const linked = linkedNames(result.left.tree, changes.added);
        const record: RunRecord = { tar, ...(linked.length === 0 ? {} : { linked }) };
        const key = sha256(`${lower.digest} ${tar.digest}`);
        await result.keep(key, changes);
        const outcome = { digest: key, record: record as unknown as Json, blobs: [tar.digest] };
        if (wanted === undefined) return outcome;
        const written = { parameters: wanted.parameters, layer };
        return { ...outcome, value: { ...(await changed(record, lower)), written } };
      } finally {
        await running.close();
      }
    },
    load(step, outcome, inputs) {
      const record = outcome.record as unknown as RunRecord;
      const { cacheDirectory } = step.local as RunLocal;
      return changed(record, inputOf(inputs, "lower"), memberList(cacheDirectory, record.tar.digest));
    },
  };

  async function changed(
    { tar, linked = [] }: RunRecord,
    lower: Input,
    list?: string,
  ): Promise<LayeredValue> {
    const { changesOfLayer, mediaTypes } = await import("../../image/index.ts");
    const content = await blobs.blob({ mediaType: mediaTypes.layer, ...tar });
    const changes = await changesOfLayer(content, list === undefined ? {} : { list });
    const value = layered(await treeOfInput(lower), changes);
    return { ...value, tree: withLinkedNames(value.tree, linked) };
  }
}

/** One command from its preparation to its end. */
class Running {
  readonly #parameters: RunParameters;
  readonly #local: RunLocal;
  readonly #inputs: Readonly<Record<string, Input>>;
  readonly #work: ExecutorContext;
  readonly #cleanups: (() => Promise<void>)[] = [];
  /** Where something was mounted that is no part of the layer. */
  readonly #covered: TreePath[] = [...machinePaths];

  constructor(step: Step, inputs: Readonly<Record<string, Input>>, work: ExecutorContext) {
    this.#parameters = step.parameters as unknown as RunParameters;
    this.#local = step.local as RunLocal;
    this.#inputs = inputs;
    this.#work = work;
  }

  /** Runs it, and fails when it fails. */
  async end(): Promise<BuildStepResult> {
    const { runBuildStep } = await import("../../sandbox/index.ts");
    const { RunMounts } = await import("../run/mounts.ts");
    const { environment, extraEnv } = this.#local;
    const lower = inputOf(this.#inputs, "lower");
    const mounted = new RunMounts(this.#local, this.#inputs, this.#work);
    this.#cleanups.push(() => mounted.close());
    const { mounts, secrets, variables } = await mounted.prepare(this.#parameters.mounts);
    const targets = [
      ...mounts.map((mount) => mount.destination),
      ...secrets.flatMap(({ target }) => target ?? []),
    ];
    this.#covered.push(...targets.map(treePath));
    const printed = new PrintedLines(
      secrets.map(({ bytes }) => bytes),
      (line, stream) => this.#work.progress({ kind: "log", id: this.#work.key, line, stream }),
    );
    const result = await runBuildStep(
      layersOf(lower),
      { ...this.#parameters, env: [...variables, ...this.#parameters.env, ...extraEnv], mounts, secrets },
      this.#work,
      environment,
      (chunk, stream) => printed.take(chunk, stream),
    );
    printed.end();
    this.#cleanups.push(result.discard);
    if (result.failure !== undefined || result.status !== 0) throw await this.#failed(result, printed);
    return result;
  }

  async changes({ left }: BuildStepResult): Promise<Changes> {
    return changesLeft(left, await treeOfInput(inputOf(this.#inputs, "lower")), this.#covered);
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups) await cleanup();
  }

  /** The error; who wants to look around gets to before everything is thrown away. */
  async #failed(result: BuildStepResult, printed: PrintedLines): Promise<WhittleError> {
    const error = this.#error(result, printed);
    const { look } = result;
    if (this.#local.failed !== undefined && look !== undefined) {
      const lower = await treeOfInput(inputOf(this.#inputs, "lower"));
      const tree = apply(lower, await changesLeft(result.left, lower, this.#covered));
      await this.#local.failed({ error, tree, look });
    }
    return error;
  }

  #error(result: BuildStepResult, printed: PrintedLines): WhittleError {
    const { shown } = this.#local;
    const why = result.failure === undefined ? "" : `: ${printed.hide(result.failure)}`;
    // What a runtime prints of its failure it also says.
    const lines = printed.last.filter((line) => line !== result.failure);
    return new WhittleError(
      "STEP_FAILED",
      `Cannot build: ${shown} did not complete successfully, exit status ${result.status}${why}` +
        (lines.length === 0 ? "" : `\n${lines.map((line) => `  | ${line}`).join("\n")}`),
      {
        ...(this.#local.at === undefined ? {} : { at: this.#local.at }),
        ...(result.hint === undefined ? {} : { hint: result.hint }),
      },
    );
  }
}

/**
 * Files that every container has something mounted at. Where a tree has no /dev, /proc or /sys, the first RUN leaves
 * them, as BuildKit does.
 */
const machinePaths = ["/etc/hosts", "/etc/resolv.conf"];
