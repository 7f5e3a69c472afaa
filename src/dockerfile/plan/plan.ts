import { type Step, scratchStep } from "../../build/index.ts";
import { formatPlatform, type Platform, parsePlatform } from "../../image/index.ts";
import { checkBase, checkFroms } from "../checks/index.ts";
import type { Dockerfile, Instruction, Stage } from "../instruction.ts";
import { parseTrigger } from "../parse.ts";
import { mistake, pointAt } from "../place.ts";
import { expandWord } from "../words.ts";
import { finishedImage } from "./finish.ts";
import { defaultArguments, globalArguments } from "./global-arguments.ts";
import type { BaseImage, NamedContext, PlannedDockerfile, PlanOptions } from "./options.ts";
import { outlineOf } from "./outline.ts";
import { planInstruction } from "./plan-instruction.ts";
import { setWorkingDirectory } from "./plan-workdir.ts";
import type { Outline } from "./stage-outline.ts";
import {
  emptyStage,
  type StageState,
  settle,
  startFromFiles,
  startFromImage,
  startFromStage,
} from "./stage-state.ts";
import { type KnownStage, Stages } from "./stages.ts";

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

class Planner {
  readonly #dockerfile: Dockerfile;
  readonly #options: PlanOptions;
  readonly #globals: Map<string, string>;
  readonly #stages: Stages;
  readonly #planned = new Map<KnownStage, Promise<StageState>>();
  readonly #images = new Map<string, Promise<BaseImage>>();

  constructor(dockerfile: Dockerfile, options: PlanOptions) {
    this.#dockerfile = dockerfile;
    this.#options = options;
    this.#globals = globalArguments(dockerfile, options);
    const defaults = defaultArguments(dockerfile, options);
    for (const warning of checkFroms(dockerfile, { given: this.#globals, defaults })) options.warn?.(warning);
    this.#stages = new Stages(dockerfile, (stage) => this.#expandFrom(stage.base, stage));
  }

  async plan(): Promise<PlannedDockerfile> {
    const options = this.#options;
    const target = this.#stages.target(options.target);
    if (options.everyStage === true) for (const stage of this.#stages.all) await this.#stage(stage);
    const state = await this.#stage(target);
    return {
      platform: options.platform,
      images: options.forms.map((form) => finishedImage(state, form, options)),
      tree: state.tree,
      outline: () => this.#outline(target),
    };
  }

  /** Of all stages that were planned: the target, those below it, and the others. */
  async #outline(target: KnownStage): Promise<Outline> {
    const order: KnownStage[] = [];
    for (let next: KnownStage | undefined = target; next !== undefined; next = next.below) order.push(next);
    const needed = new Set([...order, ...this.#planned.keys()]);
    const states = await Promise.all([...needed].flatMap((known) => this.#planned.get(known) ?? []));
    return outlineOf(this.#dockerfile, states, this.#globals);
  }

  #expandFrom(word: string, stage: Stage): string {
    return expandWord(word, this.#globals, { escape: this.#dockerfile.escape, place: stage.place });
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
    const state = this.#emptyStage(known);
    const instead =
      known.stage.name === undefined
        ? undefined
        : await this.#options.named(known.stage.name, state.platform);
    if (instead !== undefined) {
      // What was given for a stage's name stands for all of the stage.
      startFromNamed(state, instead, known.stage.name ?? "");
      settle(state);
      return state;
    }
    const triggers = await this.#start(state, known);
    const instructions = [
      ...triggers.map((expression) => parseTrigger(expression, known.stage.place)),
      ...state.instructions,
    ];
    state.total += instructions.filter(({ kind }) => steps.has(kind)).length;
    settle(state);
    // What a base says of its directory is brought into the usual form.
    if (state.config.WorkingDir) setWorkingDirectory(state, state.config.WorkingDir);
    for (const instruction of instructions) {
      await planInstruction(state, instruction, {
        options: this.#options,
        escape: this.#dockerfile.escape,
        globals: this.#globals,
        source: (name) => this.#source(instruction, known, name, state),
      });
      requireFewLayers(state, instruction);
    }
    return state;
  }

  #emptyStage(known: KnownStage): StageState {
    const { fresh, showPlatform } = this.#options;
    const { stage, index } = known;
    const name = this.#stages.all.length === 1 ? "" : (stage.name ?? `stage-${index}`);
    const platform = this.#platformOf(stage);
    const words = [...(showPlatform === true ? [formatPlatform(platform)] : []), name].filter(Boolean);
    return emptyStage(stage, name, platform, {
      prefix: words.map((word) => `${word} `).join(""),
      fresh: fresh === "all" || fresh?.some((one) => isNameOf(one, known)) === true,
    });
  }

  /** Puts a stage on what it starts from; answers with the triggers that wait there. */
  async #start(state: StageState, known: KnownStage): Promise<readonly string[]> {
    const { below, base, stage } = known;
    if (below !== undefined) {
      const lower = await this.#stage(below);
      startFromStage(state, lower);
      return lower.triggers;
    }
    const named = await this.#options.named(base, state.platform);
    if (named !== undefined) startFromNamed(state, named, base);
    else if (base !== "scratch") {
      const image = await this.#image(base, state.platform, known, stage);
      const found = checkBase(base, state.platform, image.config, stage.place);
      for (const warning of found) this.#options.warn?.(warning);
      startFromImage(state, image);
    } else return [];
    // The image itself is the first step of its stage.
    state.announced = 1;
    state.total = 1;
    const triggers = state.config.OnBuild ?? [];
    delete state.config.OnBuild;
    return triggers;
  }

  #platformOf(stage: Stage): Platform {
    if (stage.platform === undefined) return this.#options.platform;
    const text = this.#expandFrom(stage.platform, stage);
    if (text === "") throw mistake(stage.place, `empty platform value from expression ${stage.platform}`);
    return parsePlatform(text);
  }

  #image(
    name: string,
    platform: Platform,
    known: KnownStage,
    where: Stage | Instruction,
  ): Promise<BaseImage> {
    const key = `${formatPlatform(platform)} ${name}`;
    let image = this.#images.get(key);
    if (image === undefined) {
      const near = this.#stages.near(name, known);
      const at = pointAt(where.place, name);
      image = this.#options.base(name, platform, { at, ...(near === undefined ? {} : { near }) });
      this.#images.set(key, image);
    }
    return image;
  }

  /** The tree that a `from` names: an earlier stage, a named context, or an image; without one, the context. */
  async #source(
    instruction: Instruction,
    known: KnownStage,
    name: string | undefined,
    state: StageState,
  ): Promise<Step> {
    if (name === undefined || name === "") return this.#options.context;
    const stage = this.#stages.from(instruction, known, name);
    if (stage !== undefined) return (await this.#stage(stage)).tree;
    const named = await this.#options.named(name, state.platform);
    if (named?.kind === "files") return named.step;
    if (named?.kind === "image") return named.image.step;
    if (named?.kind === "scratch" || name === "scratch") return scratchStep;
    return (await this.#image(name, state.platform, known, instruction)).step;
  }
}

/** What does work; the others only say something. */
const steps: ReadonlySet<Instruction["kind"]> = new Set(["copy", "add", "run", "workdir"]);

function isNameOf(name: string, { stage, index }: KnownStage): boolean {
  return name === String(index) || name.toLowerCase() === stage.name?.toLowerCase();
}

function startFromNamed(state: StageState, named: NamedContext, name: string): void {
  if (named.kind === "image") startFromImage(state, named.image);
  else if (named.kind === "files") startFromFiles(state, named.step, name);
}

// An image with more could be run nowhere: an overlay has at most 500 lower directories (Linux, fs/overlayfs/super.c).
const mostLayers = 500;

function requireFewLayers({ baseLayers, layers }: StageState, { place }: Instruction): void {
  if (baseLayers.length + layers.length <= mostLayers) return;
  throw mistake(place, `an image has at most ${mostLayers} layers, and this one is one more`, {
    hint: "join commands with && or put several lines into one heredoc",
  });
}
