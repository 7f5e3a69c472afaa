import { spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { quietWork, storeDirectory, type Work } from "../src/io/index.ts";
import { type ProbeTarget, parseProbe, probeAll } from "../src/probe/index.ts";
import { type BuildOptions, plannedSimulations, planProject, readProject } from "../src/project/index.ts";
import { openStore } from "../src/store/index.ts";

// The main job on a real example: build for every platform, run the native image, probe it, show what answers.
const root = join(import.meta.dirname, "..");
const example = join(root, "examples/api-simulator");
const program = join(root, "dist/whittle.js");
const image = "api-simulator:demo";
const name = `whittle-demo-${process.pid}`;

/** Runs the program as a person would; its results are hidden when only their effect is wanted. */
function whittle(words: readonly string[], hidden = false): void {
  const done = spawnSync(process.execPath, [program, ...words], {
    cwd: root,
    stdio: ["ignore", hidden ? "ignore" : "inherit", "inherit"],
  });
  if (done.status !== 0) {
    process.stderr.write(`whittle ${words.join(" ")} ended with ${done.status ?? done.signal}\n`);
    process.exit(done.status ?? 4);
  }
}

/** A port of the loopback interface that nothing listens on. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const work: Work = quietWork;
say("Building examples/api-simulator for every platform of its recipe\n");
whittle(["build", example, "-t", image]);

const project = await readProject(example);
const [recipe] = Object.values(project.recipe.images);
const port = await freePort();
say(`\nRunning the image of this machine's platform on 127.0.0.1:${port}, its root file system read-only\n`);
whittle(["run", "-d", "--read-only", "--name", name, "-p", `127.0.0.1:${port}:8080`, image], true);
try {
  const target: ProbeTarget = {
    address: () => ({ host: "127.0.0.1", port }),
    exec: async (command) => {
      const done = spawnSync(process.execPath, [program, "exec", name, ...command], { encoding: "utf8" });
      return { status: done.status ?? 4, output: `${done.stdout}${done.stderr}` };
    },
  };
  say("Probes");
  for (const result of await probeAll((recipe?.probes ?? []).map(parseProbe), target, work)) {
    say(`  ${result.ok ? "✓" : "✗"} ${result.probe}  ${result.detail}`);
    if (!result.ok) process.exitCode = 1;
  }
  await showRoutes();
} finally {
  whittle(["rm", "-f", name], true);
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
