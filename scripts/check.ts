import { type SpawnOptions, spawn } from "node:child_process";
import { join } from "node:path";
import { ensurePackages } from "./system-packages.ts";

// Everything that has to hold, in one run: types, lint and format, floors, the generated schema, the bundle, unit
// tests, end-to-end tests, recorded builds of others. What is independent runs side by side; the first failure of a
// group ends the run after the group.
const root = join(import.meta.dirname, "..");
const options: SpawnOptions = { cwd: root, stdio: ["ignore", "pipe", "pipe"] };

interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

const groups: readonly (readonly Check[])[] = [
  [
    { name: "types", command: ["tsc", "--noEmit"] },
    { name: "lint and format", command: ["biome", "ci", "."] },
    { name: "floors", command: ["depcruise", "--config", ".dependency-cruiser.cjs", "src"] },
    { name: "schema", command: ["node", "scripts/schema.ts", "--check"] },
    { name: "bundle", command: ["node", "scripts/build.ts"] },
  ],
  [{ name: "unit tests", command: ["vitest", "run", "--project", "unit"] }],
  [{ name: "end-to-end tests", command: ["vitest", "run", "--project", "e2e"] }],
  [{ name: "conformance with BuildKit", command: ["node", "scripts/conformance.ts"] }],
];

/** Runs a check, keeping what it prints; tests print as they go. */
function perform(check: Check, live: boolean): Promise<boolean> {
  const since = performance.now();
  const [program, ...words] = check.command;
  const path = `${join(root, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`;
  const child = spawn(program, words, {
    ...options,
    env: { ...process.env, PATH: path },
    ...(live ? { stdio: ["ignore", "inherit", "inherit"] as const } : {}),
  });
  const printed: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => printed.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => printed.push(chunk));
  return new Promise((resolve) => {
    child.on("error", (error) => {
      process.stdout.write(`✗ ${check.name}: ${error.message}\n`);
      resolve(false);
    });
    child.on("close", (status) => {
      const seconds = ((performance.now() - since) / 1000).toFixed(1);
      if (status !== 0) process.stdout.write(Buffer.concat(printed));
      process.stdout.write(`${status === 0 ? "✓" : "✗"} ${check.name} (${seconds} s)\n`);
      resolve(status === 0);
    });
  });
}

await ensurePackages();
const results: boolean[] = [];
for (const group of groups) {
  results.push(...(await Promise.all(group.map((check) => perform(check, group.length === 1)))));
  if (results.includes(false)) break;
}
const failed = results.filter((passed) => !passed).length;
process.stdout.write(`${results.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
