import { join } from "node:path";
import { quietWork, storeDirectory, type Work } from "../src/io/index.ts";
import { type ProbeTarget, parseProbe, probeAll } from "../src/probe/index.ts";
import { type BuildOptions, plannedSimulations, planProject, readProject } from "../src/project/index.ts";
import { openStore } from "../src/store/index.ts";
import { attempt, freePort, root, say, show } from "./program.ts";

// The main job on a real example: build for every platform, run the native image, probe it, show what answers.
const example = join(root, "examples/api-simulator");
const image = "api-simulator:demo";
const name = `whittle-demo-${process.pid}`;

const work: Work = quietWork;
say("Building examples/api-simulator for every platform of its recipe\n");
show(["build", example, "-t", image]);

const project = await readProject(example);
const [recipe] = Object.values(project.recipe.images);
const port = await freePort();
say(`\nRunning the image of this machine's platform on 127.0.0.1:${port}, its root file system read-only\n`);
show(["run", "-d", "--read-only", "--name", name, "-p", `127.0.0.1:${port}:8080`, image], true);
try {
  const target: ProbeTarget = {
    address: () => ({ host: "127.0.0.1", port }),
    exec: async (command) => {
      const { status, stdout, stderr } = attempt(["exec", name, ...command]);
      return { status, output: stdout + stderr };
    },
  };
  say("Probes");
  for (const result of await probeAll((recipe?.probes ?? []).map(parseProbe), target, work)) {
    say(`  ${result.ok ? "✓" : "✗"} ${result.probe}  ${result.detail}`);
    if (!result.ok) process.exitCode = 1;
  }
  if (process.exitCode === undefined) await showRoutes();
  else {
    say("\nWhat the container says");
    show(["logs", name], true);
  }
} finally {
  show(["rm", "-f", name], true);
}
say(`
Try next
  npx whittle run --rm -p 8080:8080 ${image}
  npx whittle why ${image} /etc/passwd
  npx whittle tree ${image} --sort size`);

/** Asks for every route of the simulation and shows what came back. */
async function showRoutes(): Promise<void> {
  const store = await openStore(storeDirectory());
  const options: BuildOptions = { ...work, store, environment: process.env };
  const simulations = await plannedSimulations(await planProject(project, options), options);
  say("\nRoutes");
  for (const { path, answers } of simulations.flatMap(({ simulation }) => simulation.routes)) {
    for (const { method } of answers) {
      const response = await fetch(`http://127.0.0.1:${port}${encodeURI(path)}`, {
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
