import type { RunLocal, RunMount, RunParameters, Step } from "../build/index.ts";
import { attributes, treeOf } from "../tree/index.ts";
import { contentRecords, mountedSelections } from "./content/index.ts";
import { inlineNode } from "./copy-node.ts";
import { cacheName, execOperation, type PlacedMount, sortedMounts } from "./exec-operation.ts";
import { fileOperation } from "./file-operation.ts";
import { operationName, pathsSelector } from "./names.ts";
import { Inputs, type InputUse, type Node, operationNode } from "./node.ts";
import type { Neighbours } from "./vertices.ts";

/** RUN. */
export async function runNode(step: Step, neighbours: Neighbours): Promise<Node | undefined> {
  const parameters = step.parameters as unknown as RunParameters;
  // BuildKit has no way to ask for that.
  if (parameters.pidsLimit !== undefined) return undefined;
  const lower = await neighbours.of(step.inputs["lower"]);
  if (lower === undefined) return undefined;
  const inputs = new Inputs();
  const root = inputs.add(lower);
  const shown = new Map<number, string[]>(root < 0 ? [] : [[root, ["/"]]]);
  const contents = new Set<number>();
  const placed: PlacedMount[] = [];
  for (const mount of sortedMounts([...writtenMounts(step), ...sharedMemory(parameters)])) {
    const source = await sourceOf(mount, step, neighbours);
    if (source === undefined) return undefined;
    const input = inputs.add(source.node);
    placed.push({ mount: source.mount, input });
    if (input < 0) continue;
    shown.set(input, [...(shown.get(input) ?? []), source.path]);
    contents.add(input);
  }
  const uses = new Map(
    [...shown].map(([at, paths]): [number, InputUse] => {
      const node = contents.has(at) ? inputs.nodes[at] : undefined;
      const content =
        node && (async () => contentRecords(await node.tree(), mountedSelections(paths), node.provenance));
      return [at, { selector: pathsSelector(paths), content }];
    }),
  );
  const { written } = step.local as RunLocal;
  const name = operationName(
    execOperation({ ...parameters, cwd: written?.cwd ?? parameters.cwd }, root, placed),
  );
  return operationNode([name], inputs, uses, () => neighbours.treeOf(step));
}

/** Mounts where the Dockerfile says that they are; a script's directory has a slash behind it. */
function writtenMounts(step: Step): readonly RunMount[] {
  const { mounts } = step.parameters as unknown as RunParameters;
  const { written } = step.local as RunLocal;
  return mounts.map((mount) => {
    const isScript = mount.type === "bind" && step.inputs[mount.input]?.kind === "inline";
    const target = isScript ? `${mount.target}/` : written?.targets.get(mount);
    return target === undefined ? mount : { ...mount, target };
  });
}

function sharedMemory({ shmSize }: RunParameters): readonly RunMount[] {
  return shmSize === undefined ? [] : [{ type: "tmpfs", target: "/dev/shm", size: shmSize }];
}

/** What a mount shows. */
interface MountSource {
  readonly mount: RunMount;
  readonly node: Node;
  readonly path: string;
}

async function sourceOf(
  mount: RunMount,
  step: Step,
  neighbours: Neighbours,
): Promise<MountSource | undefined> {
  const nothing: MountSource = { mount, node: { kind: "scratch" }, path: "/" };
  if (mount.type !== "bind" && mount.type !== "cache") return nothing;
  const { input, source = "/" } = mount;
  const given = input === undefined ? undefined : step.inputs[input];
  if (mount.type === "cache" && cacheName(mount.id).owned && given === undefined) return ownedCache(mount);
  if (given === undefined) return nothing;
  if (given.kind === "inline") {
    const node = inlineNode(given, {}, neighbours);
    return node && { mount, node, path: source };
  }
  const node = await neighbours.files(given);
  return node && { mount, node, path: source };
}

/** A cache with an owner of its own begins with a directory that is made for it. */
function ownedCache(mount: Extract<RunMount, { type: "cache" }>): MountSource | undefined {
  const { uid, gid, mode } = mount;
  const path = "/cache";
  const owner = { user: uid, group: gid };
  const action = { kind: "mkdir", path, mode, parents: false, owner, timestamp: -1 } as const;
  const name = operationName(fileOperation([{ action, input: -1, secondInput: -1 }]));
  const tree = treeOf([[path, { type: "directory", ...attributes(mode & 0o777, { uid, gid }) }]]);
  const node = operationNode([name], new Inputs(), new Map(), async () => tree);
  return node && { mount, node, path };
}
