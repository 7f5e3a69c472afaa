import { nearest, WhittleError } from "../../io/index.ts";
import type { Dockerfile, Instruction, Stage } from "../instruction.ts";
import { mistake } from "../place.ts";

/** A stage before anything of it is planned. */
export interface KnownStage {
  readonly stage: Stage;
  readonly index: number;
  /** With variables filled in. */
  readonly base: string;
  /** The stage that it starts from. */
  readonly below: KnownStage | undefined;
}

/** The stages of a Dockerfile, and how its instructions and the command line name them. */
export class Stages {
  readonly all: readonly KnownStage[];
  readonly #file: string;

  /**
   * @param baseOf - a stage's base with variables filled in
   * @throws WhittleError `DOCKERFILE_INVALID` for a stage without a base, and for stages that wait for each other
   */
  constructor(dockerfile: Dockerfile, baseOf: (stage: Stage) => string) {
    this.#file = dockerfile.file;
    const all: KnownStage[] = [];
    this.all = all;
    for (const [index, stage] of dockerfile.stages.entries()) {
      const base = baseOf(stage);
      if (base === "") throw mistake(stage.place, `base name (${stage.base}) should not be blank`);
      // Only stages above count, and this one is not among them yet.
      const below = this.find(base);
      if (below !== undefined && base !== below.stage.name) refuseCapitals(stage, base, below);
      all.push({ stage, index, base, below });
    }
    this.#refuseCircles();
  }

  /** The last stage of that name; names are the same in capitals. */
  find(name: string): KnownStage | undefined {
    const wanted = name.toLowerCase();
    return this.all.findLast(({ stage }) => stage.name?.toLowerCase() === wanted);
  }

  /** The stage that `--target` means, by name; without one the last. */
  target(target: string | undefined): KnownStage {
    const last = this.all.at(-1);
    if (last === undefined) throw new Error("Internal error: a Dockerfile without stages was read");
    if (target === undefined || target === "") return last;
    const found = this.find(target);
    if (found !== undefined) return found;
    const names = this.all.flatMap(({ stage }) => stage.name ?? []);
    const meant = nearest(target, names);
    const suggestion = meant === undefined ? "" : ` (did you mean ${meant}?)`;
    throw new WhittleError(
      "DOCKERFILE_INVALID",
      `Cannot build the stage "${target}": ${this.#file} has no such stage${suggestion}`,
      names.length === 0 ? {} : { hint: `it has: ${names.join(", ")}` },
    );
  }

  /**
   * The stage that a `from` of an instruction means, by name or number; undefined when it is the name of something
   * else.
   *
   * @throws WhittleError `DOCKERFILE_INVALID` when it is none that comes before
   */
  from(instruction: Instruction, user: KnownStage, name: string): KnownStage | undefined {
    if (name.includes("$")) {
      throw mistake(instruction.place, "variable expansion is not supported for --from", {
        part: name,
        hint: "define a stage with FROM, where an ARG from above the first FROM counts, and name that",
      });
    }
    const numbered = /^\d+$/.test(name);
    const stage = numbered ? this.all[Number(name)] : this.find(name);
    if (numbered && stage === undefined) {
      throw mistake(instruction.place, `invalid stage index ${name}`, {
        part: name,
        hint: `stages are numbered from 0 to ${this.all.length - 1}`,
      });
    }
    if (stage !== undefined && stage.index >= user.index) {
      const current = user.stage.name ?? `stage-${user.index}`;
      throw mistake(
        instruction.place,
        `cannot copy from stage "${name}", it needs to be defined before current stage "${current}"`,
        { part: name },
      );
    }
    return stage;
  }

  /** The stage name that is nearest to a word, for a base that does not exist. */
  near(name: string, user: KnownStage): string | undefined {
    const above = this.all.slice(0, user.index).flatMap(({ stage }) => stage.name ?? []);
    return nearest(name, above);
  }

  /** Depth first over what each stage needs, however it says so. */
  #refuseCircles(): void {
    const done = new Set<KnownStage>();
    const path: KnownStage[] = [];
    const visit = (stage: KnownStage, because: Stage | Instruction): void => {
      if (done.has(stage)) return;
      const from = path.indexOf(stage);
      if (from >= 0) {
        const names = [...path.slice(from), stage].map(({ stage: { name }, index }) => name ?? `${index}`);
        throw mistake(because.place, `circular dependency detected on stage: ${names[0]}`, {
          ...(stage.stage.name === undefined ? {} : { part: stage.stage.name }),
          hint: `${names.join(" needs ")}`,
        });
      }
      path.push(stage);
      for (const [needed, instruction] of this.#needs(stage)) visit(needed, instruction);
      path.pop();
      done.add(stage);
    };
    for (const stage of this.all) visit(stage, stage.stage);
  }

  *#needs({ stage, below }: KnownStage): Generator<readonly [KnownStage, Stage | Instruction]> {
    if (below !== undefined) yield [below, stage];
    for (const instruction of stage.instructions) {
      for (const name of fromsOf(instruction)) {
        const needed = /^\d+$/.test(name) ? this.all[Number(name)] : this.find(name);
        if (needed !== undefined) yield [needed, instruction];
      }
    }
  }
}

/** Unlike elsewhere, BuildKit takes a stage's name in FROM only as it keeps it: in small letters. */
function refuseCapitals(stage: Stage, base: string, { stage: { name = "" } }: KnownStage): never {
  throw mistake(stage.place, `failed to parse stage name "${base}": repository name must be lowercase`, {
    part: base,
    hint: `FROM takes stages in small letters: FROM ${name}`,
  });
}

function fromsOf(instruction: Instruction): readonly string[] {
  if (instruction.kind === "copy" || instruction.kind === "add") return [instruction.from ?? []].flat();
  if (instruction.kind === "run") return instruction.mounts.flatMap(({ from }) => from ?? []);
  return [];
}
