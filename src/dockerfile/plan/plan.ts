import { assembleStep, layerStep, type Step, workdirStep } from "../../build/index.ts";
import { formatPlatform, type Platform, parsePlatform } from "../../image/index.ts";
import { nearest, WhittleError } from "../../io/index.ts";
import type { Dockerfile, Instruction, Stage } from "../instruction.ts";
import { parseTrigger } from "../parse.ts";
import { mistake } from "../place.ts";
import { expandWord } from "../words.ts";
import * as metadata from "./metadata.ts";
import type { BaseImage, PlannedDockerfile, PlanOptions } from "./options.ts";
import { normalized } from "./paths.ts";
import { planCopy, slashed } from "./plan-copy.ts";
import { planRun } from "./plan-run.ts";
import {
  commit,
  emptyStage,
  type StageState,
  settle,
  startFromImage,
  startFromStage,
} from "./stage-state.ts";
import { platformArguments } from "./variables.ts";

/**
 * Makes the graph of a Dockerfile for one platform: of the stages that the target needs, and of no other. Base
 * images are looked up, nothing is run.
 *
 * @throws WhittleError `DOCKERFILE_INVALID`, and what looking up a base image fails with
 */
export async function planDockerfile(
  dockerfile: Dockerfile,
  options: PlanOptions,
): Promise<PlannedDockerfile> {
  return new Planner(dockerfile, options).plan();
}

/** A stage before anything of it is planned. */
interface KnownStage {
  readonly stage: Stage;
  readonly index: number;
  /** With variables filled in. */
  readonly base: string;
  /** The stage that it starts from. */
  readonly below: KnownStage | undefined;
}

class Planner {
  readonly #dockerfile: Dockerfile;
  readonly #options: PlanOptions;
  readonly #globals: Map<string, string>;
  readonly #stages: KnownStage[] = [];
  readonly #planned = new Map<KnownStage, Promise<StageState>>();
  readonly #images = new Map<string, Promise<BaseImage>>();

  constructor(dockerfile: Dockerfile, options: PlanOptions) {
    this.#dockerfile = dockerfile;
    this.#options = options;
    const target = options.target ?? dockerfile.stages.at(-1)?.name ?? "";
    this.#globals = platformArguments(options.buildPlatform, options.platform, target);
    for (const [name, value] of options.buildArguments) {
      if (this.#globals.has(name)) this.#globals.set(name, value);
    }
    const expansion = { escape: dockerfile.escape };
    for (const { args } of dockerfile.globalArguments) {
      for (const { name, value } of args) {
        const given =
          options.buildArguments.get(name) ??
          (value === undefined ? undefined : expandWord(value, this.#globals, expansion));
        if (given !== undefined) this.#globals.set(name, given);
      }
    }
    for (const [index, stage] of dockerfile.stages.entries()) {
      const base = expandWord(stage.base, this.#globals, expansion);
      if (base === "") throw mistake(stage.place, `base name (${stage.base}) should not be blank`);
      this.#stages.push({ stage, index, base, below: this.#findByName(base) });
    }
  }

  async plan(): Promise<PlannedDockerfile> {
    const options = this.#options;
    const state = await this.#stage(this.#target());
    const { platform } = options;
    const shown = formatPlatform(platform);
    const labels = { ...state.config.Labels, ...options.labels };
    const config = Object.keys(labels).length === 0 ? state.config : { ...state.config, Labels: labels };
    const layers = state.layers.map((step, index) =>
      layerStep(
        step,
        `${state.name || "the image"}, ${index + 1} of ${state.layers.length}`,
        options.compression,
        shown,
      ),
    );
    const image = assembleStep(
      layers,
      {
        platform,
        config: withoutEmpty(config),
        history: state.history,
        ...(state.author === undefined ? {} : { author: state.author }),
        ...(options.epoch === undefined
          ? {}
          : { created: new Date(options.epoch * 1000).toISOString().replace(".000Z", "Z") }),
        base: state.baseLayers,
        ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
      },
      shown,
    );
    return { platform, image };
  }

  #target(): KnownStage {
    const { target } = this.#options;
    const last = this.#stages.at(-1);
    if (last === undefined) throw new Error("Internal error: a Dockerfile without stages was read");
    if (target === undefined || target === "") return last;
    const found =
      this.#findByName(target) ?? (/^\d+$/.test(target) ? this.#stages[Number(target)] : undefined);
    if (found !== undefined) return found;
    const names = this.#stages.flatMap(({ stage }) => stage.name ?? []);
    const meant = nearest(target, names);
    throw new WhittleError(
      "DOCKERFILE_INVALID",
      `Cannot build the stage "${target}": ${this.#dockerfile.file} has no such stage${meant === undefined ? "" : ` (did you mean ${meant}?)`}`,
      names.length === 0 ? {} : { hint: `it has: ${names.join(", ")}` },
    );
  }

  /** The last stage of that name so far; names are the same in capitals. */
  #findByName(name: string): KnownStage | undefined {
    const wanted = name.toLowerCase();
    return this.#stages.findLast(({ stage }) => stage.name?.toLowerCase() === wanted);
  }

  #stage(known: KnownStage): Promise<StageState> {
    let planned = this.#planned.get(known);
    if (planned === undefined) {
      planned = this.#planStage(known);
      this.#planned.set(known, planned);
    }
    return planned;
  }

  async #planStage(known: KnownStage): Promise<StageState> {
    const { stage, below } = known;
    const options = this.#options;
    const name = this.#stages.length === 1 ? "" : (stage.name ?? `stage-${known.index}`);
    const state = emptyStage(stage, name, this.#platformOf(stage));
    const triggers = await this.#start(state, known, below);
    const instructions = [
      ...triggers.map((expression) => parseTrigger(expression, stage.place)),
      ...state.instructions,
    ];
    settle(state);
    // What a base says of its directory is brought into the usual form.
    if (state.config.WorkingDir) setWorkingDirectory(state, state.config.WorkingDir);
    for (const instruction of instructions) await this.#instruction(state, known, instruction, options);
    return state;
  }

  /** Puts a stage on what it starts from; answers with the triggers that wait there. */
  async #start(
    state: StageState,
    known: KnownStage,
    below: KnownStage | undefined,
  ): Promise<readonly string[]> {
    const { contexts } = this.#options;
    const named = contexts.get(known.stage.name ?? "") ?? contexts.get(known.base);
    if (named !== undefined) {
      state.tree = named;
      return [];
    }
    if (below !== undefined) {
      const lower = await this.#stage(below);
      startFromStage(state, lower);
      return lower.triggers;
    }
    if (known.base === "scratch") return [];
    startFromImage(state, await this.#image(known.base, state.platform));
    const triggers = state.config.OnBuild ?? [];
    delete state.config.OnBuild;
    return triggers;
  }

  #platformOf(stage: Stage): Platform {
    if (stage.platform === undefined) return this.#options.platform;
    const text = expandWord(stage.platform, this.#globals, { escape: this.#dockerfile.escape });
    if (text === "") throw mistake(stage.place, `empty platform value from expression ${stage.platform}`);
    return parsePlatform(text);
  }

  #image(name: string, platform: Platform): Promise<BaseImage> {
    const wanted = this.#options.imageContexts.get(name) ?? name;
    const key = `${formatPlatform(platform)} ${wanted}`;
    let image = this.#images.get(key);
    if (image === undefined) {
      image = this.#options.base(wanted, platform);
      this.#images.set(key, image);
    }
    return image;
  }

  async #instruction(
    state: StageState,
    known: KnownStage,
    instruction: Instruction,
    options: PlanOptions,
  ): Promise<void> {
    const expansion = { escape: this.#dockerfile.escape };
    const expand = (word: string): string => expandWord(word, state.variables, expansion);
    switch (instruction.kind) {
      case "arg":
        return metadata.planArg(state, instruction, options.buildArguments, this.#globals, expand);
      case "env":
        return metadata.planEnv(state, instruction, expand);
      case "label":
        return metadata.planLabel(state, instruction, expand);
      case "cmd":
        return metadata.planCmd(state, instruction);
      case "entrypoint":
        return metadata.planEntrypoint(state, instruction);
      case "shell":
        return metadata.planShell(state, instruction);
      case "expose":
        return metadata.planExpose(state, instruction, expansion.escape);
      case "user":
        return metadata.planUser(state, instruction, expand);
      case "volume":
        return metadata.planVolume(state, instruction, expand);
      case "stopsignal":
        return metadata.planStopsignal(state, instruction, expand);
      case "maintainer":
        return metadata.planMaintainer(state, instruction, expand);
      case "healthcheck":
        return metadata.planHealthcheck(state, instruction);
      case "onbuild":
        return metadata.planOnbuild(state, instruction);
      case "workdir":
        return planWorkdir(state, expand(instruction.path), options.epoch ?? 0);
      case "copy":
      case "add": {
        const source =
          instruction.from === undefined
            ? options.context
            : await this.#from(instruction, known, instruction.from, state);
        return planCopy(state, instruction, source, options, expand);
      }
      case "run":
        return planRun(
          state,
          instruction,
          async (name) =>
            name === undefined || name === "" ? options.context : this.#from(instruction, known, name, state),
          options,
          expand,
        );
    }
  }

  /** The tree that `--from` names: an earlier stage, a named context, or an image. */
  async #from(instruction: Instruction, known: KnownStage, name: string, state: StageState): Promise<Step> {
    const context = this.#options.contexts.get(name);
    if (context !== undefined) return context;
    const numbered = /^\d+$/.test(name);
    const stage = numbered ? this.#stages[Number(name)] : this.#findByName(name);
    if (numbered && stage === undefined)
      throw mistake(instruction.place, `invalid stage index ${name}`, { part: name });
    if (stage === undefined) return (await this.#image(name, state.platform)).step;
    if (stage.index >= known.index) {
      throw mistake(
        instruction.place,
        `cannot copy from stage "${name}", it needs to be defined before current stage "${state.name}"`,
        { part: name },
      );
    }
    return (await this.#stage(stage)).tree;
  }
}

function planWorkdir(state: StageState, path: string, mtime: number): void {
  setWorkingDirectory(state, path);
  const directory = slashed(state);
  if (directory !== "/") {
    const owner = state.config.User;
    const step = workdirStep(
      state.tree,
      { path: directory, mtime, ...(owner === undefined || owner === "" ? {} : { owner }) },
      state.name === "" ? `WORKDIR ${directory}` : `[${state.name}] WORKDIR ${directory}`,
    );
    state.tree = step;
    state.layers.push(step);
  }
  commit(state, `WORKDIR ${directory}`, directory === "/" ? "no layer" : "layer");
}

function setWorkingDirectory(state: StageState, path: string): void {
  const separator = state.platform.os === "windows" ? "\\" : "/";
  // Behind a relative path a slash means nothing; behind an absolute one it stays, as in BuildKit.
  const slash = path.startsWith("/") ? "keep slash" : "no slash";
  const made = normalized((state.config.WorkingDir ?? "/").replaceAll(separator, "/"), path, slash);
  state.config.WorkingDir = made.replaceAll("/", separator);
}

/** Members that hold nothing are left out, as in Docker's own documents. */
function withoutEmpty<T extends object>(config: T): T {
  const entries = Object.entries(config).filter(([, value]) => {
    if (value === undefined || value === null || value === "" || value === false) return false;
    return typeof value !== "object" || Object.keys(value as object).length > 0;
  });
  return Object.fromEntries(entries) as T;
}
