import { canonicalJson, sha256 } from "../../io/index.ts";
import type { Simulation } from "../../simulate/index.ts";
import { type Executor, inputOf } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import { treeDigest } from "../tree-digest.ts";
import { treeOfInput } from "./tree-value.ts";

/** What a simulating step is told beside the files. */
export type SimulateParameters = { readonly port: number; readonly uid: number; readonly init?: string };

/** A step that makes a web server's files and configuration of a directory. */
export function simulateStep(files: Step, parameters: SimulateParameters): Step {
  return { kind: "simulate", parameters, inputs: { files } };
}

/** What later steps read of a simulation without making it again. */
export type SimulationRecord = Pick<Simulation, "config" | "roots" | "routes" | "nginxConf">;

export const simulateExecutor: Executor = {
  kind: "simulate",
  version: 2,
  cached: true,
  async run(step, inputs) {
    const simulation = await simulated(step, inputs);
    const { config, roots, routes, nginxConf } = simulation;
    const record: SimulationRecord = { config, roots, routes, nginxConf };
    return {
      // The same files may be run in two ways.
      digest: sha256(`${await treeDigest(simulation.tree)} ${canonicalJson({ config, roots })}`),
      record: record as unknown as Json,
      value: simulation,
    };
  },
  load: (step, _outcome, inputs) => simulated(step, inputs),
};

/**
 * A step that picks out what a simulation's image has to be able to run. That does not depend on the files, so a
 * carve that looks at this step is not done again when one of them is edited.
 */
export function simulationRootsStep(simulation: Step): Step {
  return { kind: "simulation-roots", parameters: null, inputs: { simulation } };
}

/** What {@link simulationRootsStep} records. */
export type SimulationRootsRecord = Pick<Simulation, "roots">;

export const simulationRootsExecutor: Executor = {
  kind: "simulation-roots",
  version: 1,
  cached: true,
  async run(_step, inputs) {
    const { roots } = inputOf(inputs, "simulation").record as unknown as SimulationRecord;
    const record = { roots } as unknown as Json;
    return { digest: sha256(JSON.stringify(record)), record };
  },
};

async function simulated(step: Step, inputs: Parameters<Executor["run"]>[1]): Promise<Simulation> {
  const { simulate } = await import("../../simulate/index.ts");
  return simulate(await treeOfInput(inputOf(inputs, "files")), step.parameters as SimulateParameters);
}
