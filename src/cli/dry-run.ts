import { digestOfJson } from "../io/index.ts";
import {
  type BuildOptions,
  type Project,
  plannedSimulations,
  plannedSteps,
  planProject,
} from "../project/index.ts";

/** The graph of a build as text, and the configuration that a simulation would get. */
export async function dryRun(project: Project, options: BuildOptions): Promise<string> {
  const planned = await planProject(project, options);
  const numbers = new Map<unknown, number>();
  const lines = plannedSteps(planned).map((step) => {
    const number = numbers.size + 1;
    numbers.set(step, number);
    const inputs = Object.entries(step.inputs).map(([name, input]) => `${name}=#${numbers.get(input)}`);
    const platform = step.platform === undefined ? "" : ` ${step.platform}`;
    const parameters = step.parameters === null ? "" : ` ${shortened(JSON.stringify(step.parameters))}`;
    return `#${number} ${step.kind}${platform}${inputs.length > 0 ? ` (${inputs.join(", ")})` : ""}${parameters}`;
  });
  const simulations = await plannedSimulations(planned, options);
  for (const { image, simulation } of simulations) {
    lines.push("", `# nginx.conf of ${image}`, simulation.nginxConf.trimEnd());
    lines.push("", `# routes of ${image}`, ...simulation.routes.map((route) => JSON.stringify(route)));
  }
  return `${lines.join("\n")}\n`;
}

const mostCharacters = 400;

function shortened(text: string): string {
  return text.length <= mostCharacters
    ? text
    : `${text.slice(0, mostCharacters)}… (${digestOfJson(text).slice(7, 19)})`;
}
