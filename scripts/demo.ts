import { spawn, spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { quietWork } from "../src/io/index.ts";
import { parseProbe, probe } from "../src/probe/index.ts";
import { readProject } from "../src/project/index.ts";

// The main job on a real example: build for every platform, run the native image, probe it, show what answers.
const root = join(import.meta.dirname, "..");
const example = join(root, "examples/api-simulator");
const program = join(root, "dist/whittle.js");
const name = `whittle-demo-${process.pid}`;

function whittle(words: readonly string[], quiet = false): void {
  const done = spawnSync(process.execPath, [program, ...words], {
    cwd: root,
    stdio: ["ignore", quiet ? "ignore" : "inherit", "inherit"],
  });
  if (done.status !== 0)
    throw new Error(`whittle ${words.join(" ")} ended with status ${done.status ?? done.signal}`);
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

async function demo(): Promise<void> {
  say("Building examples/api-simulator for every platform of its recipe\n");
  whittle(["build", example, "-t", "api-simulator:demo"]);

  const project = await readProject(example);
  const [image] = Object.values(project.recipe.images);
  const port = await freePort();
  say(
    `\nRunning the image of this machine's platform on 127.0.0.1:${port}, its root file system read-only\n`,
  );
  whittle(
    ["run", "-d", "--read-only", "--name", name, "-p", `127.0.0.1:${port}:8080`, "api-simulator:demo"],
    true,
  );
  try {
    for (const spec of image?.probes ?? []) {
      const result = await probe(parseProbe(spec), { host: "127.0.0.1", port }, quietWork);
      say(`${result.ok ? "✓" : "✗"} ${result.description}`);
      if (!result.ok) process.exitCode = 1;
    }
    await showRoutes(port);
  } finally {
    whittle(["rm", "-f", name], true);
  }
  say(`
Try next:
  npx whittle run --rm -p 8080:8080 api-simulator:demo
  npx whittle why api-simulator:demo /usr/sbin/nginx
  npx whittle tree api-simulator:demo --sort size`);
}
