import type { Step, WorkdirLocal, WorkdirParameters } from "../build/index.ts";
import { fileOperation, fileOwner } from "./file-operation.ts";
import { operationName, timestampOf } from "./names.ts";
import { Inputs, type Node, operationNode } from "./node.ts";
import type { Neighbours } from "./vertices.ts";

/** WORKDIR: makes a directory. */
export async function workdirNode(step: Step, neighbours: Neighbours): Promise<Node | undefined> {
  const { path, owner } = step.parameters as WorkdirParameters;
  const { epoch } = (step.local ?? {}) as WorkdirLocal;
  const lower = await neighbours.of(step.inputs["lower"]);
  if (lower === undefined) return undefined;
  const inputs = new Inputs();
  const input = inputs.add(lower);
  const action = {
    kind: "mkdir",
    path,
    mode: 0o755,
    parents: true,
    owner: owner === undefined ? undefined : fileOwner(owner, input),
    timestamp: timestampOf(epoch),
  } as const;
  const name = operationName(fileOperation([{ action, input, secondInput: -1 }]));
  return operationNode([name], inputs, new Map(), () => neighbours.treeOf(step));
}
