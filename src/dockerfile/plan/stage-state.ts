import type { BaseLayer, Step } from "../../build/index.ts";
import { scratchStep } from "../../build/index.ts";
import type { ContainerConfig, History, Platform } from "../../image/index.ts";
import { StageChecks } from "../checks/index.ts";
import type { Instruction, Stage } from "../instruction.ts";
import type { BaseImage } from "./options.ts";
import { StageOutline } from "./stage-outline.ts";

/** A container configuration while it is being written. */
export type DraftConfig = { -readonly [Key in keyof ContainerConfig]: ContainerConfig[Key] };

/** What a stage has come to, instruction by instruction. */
export interface StageState {
  readonly stage: Stage;
  /** As messages call it. */
  readonly name: string;
  platform: Platform;
  /** What the base says that it is for; without a base the platform that is built for. */
  basePlatform?: Platform;
  config: DraftConfig;
  author: string | undefined;
  history: History[];
  baseLayers: readonly BaseLayer[];
  /** Steps that make one layer each, from the lowest up. */
  layers: Step[];
  /** Comes to the stage's file tree. */
  tree: Step;
  /** Variables of ENV and ARG that have a value. */
  variables: Map<string, string>;
  /** Arguments in the order in which they were declared. */
  readonly declared: { readonly name: string; readonly value: string | undefined }[];
  /** ONBUILD triggers that were met, for stages on top of this one. */
  readonly triggers: string[];
  /** What its own instructions take from outside. */
  readonly outline: StageOutline;
  cmdSet: boolean;
  checks: StageChecks;
  /** Whether its steps are run again whatever is known of them. */
  readonly fresh: boolean;
  /** How many of its steps have been announced, and how many there are. */
  announced: number;
  total: number;
  /** What the announcements of its steps start with. */
  readonly prefix: string;
  readonly instructions: Instruction[];
}

/** The PATH of a stage whose base sets none. */
export const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A stage with nothing in it yet. */
export function emptyStage(
  stage: Stage,
  name: string,
  platform: Platform,
  how: { readonly fresh: boolean; readonly prefix: string },
): StageState {
  return {
    stage,
    name,
    platform,
    config: { WorkingDir: "/" },
    author: undefined,
    history: [],
    baseLayers: [],
    layers: [],
    tree: scratchStep,
    variables: new Map(),
    declared: [],
    triggers: [],
    outline: new StageOutline(),
    cmdSet: false,
    checks: new StageChecks(),
    ...how,
    announced: 0,
    total: 0,
    instructions: [...stage.instructions],
  };
}

/** Starts a stage from an image. */
export function startFromImage(state: StageState, image: BaseImage): void {
  const { config = {}, history = [], author } = image.config;
  state.basePlatform = image.config;
  state.config = { ...config };
  state.author = author;
  state.baseLayers = image.layers;
  state.history = completeHistory(history, image.layers.length);
  state.tree = image.step;
}

/** Starts a stage from another one. */
export function startFromStage(state: StageState, below: StageState): void {
  state.platform = below.platform;
  if (below.basePlatform !== undefined) state.basePlatform = below.basePlatform;
  state.config = { ...below.config };
  delete state.config.OnBuild;
  state.author = below.author;
  state.baseLayers = below.baseLayers;
  state.history = [...below.history];
  state.layers = [...below.layers];
  state.tree = below.tree;
  state.variables = new Map(below.variables);
  state.declared.push(...below.declared);
  state.checks = new StageChecks(below.checks);
}

/** Starts a stage from files that are no image: they are its first layer. */
export function startFromFiles(state: StageState, files: Step, name: string): void {
  addLayer(state, files);
  commit(state, `FROM ${name} # whittle`, "layer");
}

/** Puts a step on top of a stage; what it changes becomes a layer. */
export function addLayer(state: StageState, step: Step): void {
  state.tree = state.fresh ? { ...step, fresh: true } : step;
  state.layers.push(state.tree);
}

/** How the next step of a stage is announced: `[linux/arm64 builder 2/4] RUN make`. */
export function stepLabel(state: StageState, text: string): string {
  state.announced++;
  const number = String(state.announced).padStart(String(state.total).length);
  const [line = ""] = text.split("\n");
  return `[${state.prefix}${number}/${state.total}] ${line}`;
}

/** Sets what every stage has: a PATH, and the base's variables as its own. */
export function settle(state: StageState): void {
  const env = state.config.Env ?? [];
  const hasPath = env.some((line) => line.startsWith("PATH="));
  if (!hasPath && state.platform.os !== "windows") state.config.Env = [...env, `PATH=${defaultPath}`];
  for (const line of state.config.Env ?? []) {
    const equals = line.indexOf("=");
    setVariable(state, equals < 0 ? line : line.slice(0, equals), equals < 0 ? "" : line.slice(equals + 1));
  }
}

/** Sets a variable for the instructions that follow; the last one set comes last. */
export function setVariable(state: StageState, name: string, value: string): void {
  state.variables.delete(name);
  state.variables.set(name, value);
}

/** Notes an instruction in the history. */
export function commit(state: StageState, line: string, layer: "layer" | "no layer"): void {
  state.history.push({
    created_by: line,
    comment: "whittle.dockerfile.v0",
    ...(layer === "layer" ? {} : { empty_layer: true }),
  });
}

/** A history must tell of every layer; what some builders leave out is made up. */
function completeHistory(history: readonly History[], layers: number): History[] {
  const told = history.filter((line) => line.empty_layer !== true).length;
  if (told > layers) return Array.from({ length: layers }, () => ({}));
  return [...history, ...Array.from({ length: layers - told }, (): History => ({}))];
}
