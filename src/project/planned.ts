import { type SimulationRecord, type Step, stepsOf } from "../build/index.ts";
import type { BuildOptions, PlannedImage } from "./build.ts";
import { endOf } from "./platforms.ts";
import { solverFor } from "./solver.ts";

/** The steps of planned images, inputs first, for showing. */
export function plannedSteps(images: readonly PlannedImage[]): Step[] {
  return [...stepsOf(images.flatMap((image) => image.platforms.map(endOf)))];
}

/** Solves the simulations of planned images, which needs nothing but their files. */
export async function plannedSimulations(
  images: readonly PlannedImage[],
  options: BuildOptions,
): Promise<{ readonly image: string; readonly simulation: SimulationRecord }[]> {
  const solver = solverFor(options);
  const found = images.flatMap(({ name, platforms }) => {
    const step = platforms[0]?.simulation;
    return step === undefined ? [] : [{ name, step }];
  });
  return Promise.all(
    found.map(async ({ name, step }) => ({
      image: name,
      simulation: (await solver.solve(step)).record as unknown as SimulationRecord,
    })),
  );
}
