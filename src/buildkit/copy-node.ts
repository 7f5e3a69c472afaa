import { posix } from "node:path";
import {
  type CopiedSource,
  type CopyLocal,
  type CopyParameters,
  hasWildcards,
  type InlineFile,
  type Step,
} from "../build/index.ts";
import type { Digest } from "../io/index.ts";
import { contentRecords, copiedSelections, type Selection } from "./content/index.ts";
import { type CopyFiles, fileOperation, fileOwner, type PlacedAction } from "./file-operation.ts";
import { operationName, pathsSelector, timestampOf } from "./names.ts";
import { Inputs, type InputUse, type Node, operationNode } from "./node.ts";
import type { Neighbours } from "./vertices.ts";

/** COPY and ADD: one file operation with an action for each source; with `--link` one over nothing, merged. */
export async function copyNode(step: Step, neighbours: Neighbours): Promise<Node | undefined> {
  const { alone = false } = step.parameters as CopyParameters;
  const lower = await neighbours.of(step.inputs["lower"]);
  if (lower === undefined) return undefined;
  const copied = await copiedOver(alone ? { kind: "scratch" } : lower, step, neighbours);
  if (!alone || copied === undefined || lower.kind === "scratch") return copied;
  const inputs = new Inputs();
  if (inputs.add(lower) === inputs.add(copied)) return undefined;
  const name = operationName({ Type: "buildkit.merge.v0", Merge: { inputs: [{}, { input: 1 }] } });
  return operationNode([name], inputs, new Map(), () => neighbours.treeOf(step));
}

async function copiedOver(lower: Node, step: Step, neighbours: Neighbours): Promise<Node | undefined> {
  const parameters = step.parameters as CopyParameters;
  const { epoch } = step.local as CopyLocal;
  const inputs = new Inputs();
  const base = inputs.add(lower);
  const actions: Omit<CopyFiles, "timestamp">[] = [];
  const seconds: number[] = [];
  const selections = new Map<number, Selection[]>();
  for (const source of parameters.sources) {
    const input = step.inputs[source.input];
    const node =
      input?.kind === "inline" ? inlineNode(input, source, neighbours) : await neighbours.files(input);
    if (node === undefined || node.kind === "scratch") return undefined;
    const asFiles = source.input === "source";
    const second = inputs.add(node);
    seconds.push(second);
    actions.push(copyAction(source, asFiles, step, base));
    // What is also changed counts as a whole.
    if (second === base) continue;
    const selected = selections.get(second);
    if (selected === undefined) selections.set(second, [selectionOf(source, asFiles, parameters)]);
    else selected.push(selectionOf(source, asFiles, parameters));
  }
  const nameAt = (timestamp: number): Digest => {
    const placed = actions.map(
      (action, at): PlacedAction => ({
        action: { ...action, timestamp },
        input: at === 0 ? base : inputs.nodes.length + at - 1,
        secondInput: seconds[at] ?? -1,
      }),
    );
    return operationName(fileOperation(placed));
  };
  const uses = new Map([...selections].map(([at, chosen]) => [at, useOf(inputs, at, chosen)]));
  // Up to 0.25, copies are of the present whatever time is asked for.
  const names = [...new Set([timestampOf(undefined), timestampOf(epoch)])].map(nameAt);
  return operationNode(names, inputs, uses, () => neighbours.treeOf(step));
}

function copyAction(
  source: CopiedSource,
  asFiles: boolean,
  step: Step,
  base: number,
): Omit<CopyFiles, "timestamp"> {
  const { destination, owner, mode, excludes } = step.parameters as CopyParameters;
  return {
    kind: "copy",
    source: posix.basename(source.path) || "/",
    destination,
    owner: owner === undefined ? undefined : fileOwner(owner, base),
    mode,
    asFiles,
    unpack: source.unpack,
    includePatterns: source.include === undefined ? [] : [source.include],
    excludePatterns: excludes,
  };
}

function selectionOf(
  { path, include }: CopiedSource,
  asFiles: boolean,
  parameters: CopyParameters,
): Selection {
  return {
    path,
    wildcard: asFiles && hasWildcards(path),
    followLinks: asFiles,
    ...(include === undefined ? {} : { includePatterns: [include] }),
    ...(parameters.excludes.length === 0 ? {} : { excludePatterns: parameters.excludes }),
  };
}

function useOf({ nodes }: Inputs, at: number, selections: readonly Selection[]): InputUse {
  // For historical reasons, the last path goes first.
  const paths = selections.map(({ path }) => path);
  paths.sort((a, b) => Buffer.compare(Buffer.from(b), Buffer.from(a)));
  const node = nodes[at];
  return {
    selector: pathsSelector(paths),
    content:
      node && (async () => contentRecords(await node.tree(), copiedSelections(selections), node.provenance)),
  };
}

/** A heredoc: BuildKit makes each in an operation of its own. */
export function inlineNode(
  step: Step,
  { path }: { readonly path?: string },
  { treeOf }: Neighbours,
): Node | undefined {
  const { files } = step.parameters as { readonly files: readonly InlineFile[] };
  const file = path === undefined ? files[0] : files.find(({ name }) => `/${name}` === path);
  if (file === undefined) return undefined;
  const action = { kind: "mkfile", path: `/${file.name}`, mode: file.mode, content: file.content } as const;
  const name = operationName(fileOperation([{ action, input: -1, secondInput: -1 }]));
  return operationNode([name], new Inputs(), new Map(), () => treeOf(step));
}
