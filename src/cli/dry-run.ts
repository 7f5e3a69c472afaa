import type { Step } from "../build/index.ts";
import { digestOfJson } from "../io/index.ts";
import {
  type BuildOptions,
  Contexts,
  type Project,
  plannedSimulations,
  plannedSteps,
  planProject,
} from "../project/index.ts";

/** The graph of a build with those of its bases, and the configuration that a simulation would get; nothing is built. */
export async function dryRun(
  project: Project,
  options: BuildOptions,
  format: "text" | "json",
): Promise<string> {
  const planned = await planProject(project, options, Contexts.described(options, planProject));
  const steps = plannedSteps(planned);
  const simulations = await plannedSimulations(planned, options);
  if (format === "json") return graphJson(steps, { simulations });
  const lines = simulations.flatMap(({ image, simulation }) => [
    "",
    `# nginx.conf of ${image}`,
    simulation.nginxConf.trimEnd(),
    "",
    `# routes of ${image}`,
    ...simulation.routes.map((route) => JSON.stringify(route)),
  ]);
  return `${graphText(steps)}${lines.map((line) => `${line}\n`).join("")}`;
}

/** One line a step, inputs first: number, kind, platform, inputs, parameters. */
export function graphText(steps: readonly Step[]): string {
  const numbers = numbersOf(steps);
  return steps
    .map((step) => {
      const inputs = Object.entries(step.inputs).map(([name, input]) => `${name}=#${numbers.get(input)}`);
      const platform = step.platform === undefined ? "" : ` ${step.platform}`;
      const parameters = step.parameters === null ? "" : ` ${shortened(JSON.stringify(step.parameters))}`;
      const label = step.label === undefined ? "" : `  # ${step.label}`;
      const from = inputs.length > 0 ? ` (${inputs.join(", ")})` : "";
      return `#${numbers.get(step)} ${step.kind}${platform}${from}${parameters}${label}\n`;
    })
    .join("");
}

/** The same for programs: `{"steps": [{"number", "kind", "label", "platform", "inputs", "parameters"}, …]}`. */
export function graphJson(steps: readonly Step[], more: object = {}): string {
  const numbers = numbersOf(steps);
  const listed = steps.map(({ kind, label, platform, parameters, inputs }, index) => ({
    number: index + 1,
    kind,
    ...(label === undefined ? {} : { label }),
    ...(platform === undefined ? {} : { platform }),
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, numbers.get(input)])),
    parameters,
  }));
  return `${JSON.stringify({ steps: listed, ...more }, undefined, 2)}\n`;
}

function numbersOf(steps: readonly Step[]): Map<Step, number> {
  return new Map(steps.map((step, index) => [step, index + 1]));
}

const mostCharacters = 400;

function shortened(text: string): string {
  return text.length <= mostCharacters
    ? text
    : `${text.slice(0, mostCharacters)}… (${digestOfJson(text).slice(7, 19)})`;
}
