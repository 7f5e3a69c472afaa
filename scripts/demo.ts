import { join } from "node:path";
import { quietWork, storeDirectory, type Work } from "../src/io/index.ts";
import { parseProbe, probeAll } from "../src/probe/index.ts";
import { type BuildOptions, plannedSimulations, planProject, readProject } from "../src/project/index.ts";
import { openStore } from "../src/store/index.ts";
import { remove, start } from "./examples/container.ts";
import { root, say, show } from "./program.ts";

// The main job on a real example: build for every platform, run the native image, probe it, show what answers.
const example = join(root, "examples/api-simulator");
const image = "api-simulator:demo";
const name = `whittle-demo-${process.pid}`;

const work: Work = quietWork;
say("Building examples/api-simulator for every platform of its recipe\n");
show(["build", example, "-t", image]);

const project = await readProject(example);
const [recipe] = Object.values(project.recipe.images);
say("\nRunning the image of this machine's platform, its root file system read-only");
try {
  const { address, target } = await start(image, name, 8080);
  say(`It answers at ${address}\n`);
  say("Probes");
  for (const result of await probeAll((recipe?.probes ?? []).map(parseProbe), target, work)) {
    say(`  ${result.ok ? "✓" : "✗"} ${result.probe}  ${result.detail}`);
    if (!result.ok) process.exitCode = 1;
  }
  if (process.exitCode === undefined) await showRoutes(address);
  else {
    say("\nWhat the container says");
    show(["logs", name]);
  }
} finally {
  remove(name);
}
say(`
Try next
  npx whittle run --rm -p 8080:8080 ${image}
  npx whittle why ${image} /etc/passwd
  npx whittle tree ${image} --sort size`);

/** Asks for every route of the simulation and shows what came back. */
async function showRoutes(address: string): Promise<void> {
  const store = await openStore(storeDirectory());
  const options: BuildOptions = { ...work, store, environment: process.env };
  const simulations = await plannedSimulations(await planProject(project, options), options);
  say("\nRoutes");
  for (const { path, answers } of simulations.flatMap(({ simulation }) => simulation.routes)) {
    for (const { method } of answers) {
      const response = await fetch(address + encodeURI(path), {
        method,
        redirect: "manual",
      });
      const size = (await response.arrayBuffer()).byteLength;
      const type = response.headers.get("content-type") ?? "";
      say(
        `  ${method.padEnd(7)} ${path.padEnd(24)} ${response.status}  ${String(size).padStart(6)} B  ${type}`,
      );
    }
  }
}
