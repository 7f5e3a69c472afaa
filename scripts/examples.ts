import { flaskDistroless, flaskLab } from "./examples/flask.ts";
import { recipes } from "./examples/recipes.ts";
import { scratchHello } from "./examples/scratch-hello.ts";
import { table, type Variant } from "./examples/variant.ts";
import { say } from "./program.ts";

// Builds every example in each of its variants, runs and probes them, and shows the variants side by side. Names of
// examples on the command line choose some of them.
const all: Readonly<Record<string, () => Promise<Variant[]>>> = {
  "scratch-hello": scratchHello,
  "flask-lab": flaskLab,
  "flask-distroless": flaskDistroless,
  recipes,
};

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in all));
if (unknown.length > 0) {
  process.stderr.write(`Cannot run ${unknown.join(", ")}: the examples are ${Object.keys(all).join(", ")}\n`);
  process.exit(2);
}

const variants: Variant[] = [];
for (const [name, run] of Object.entries(all)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  say(name);
  try {
    variants.push(...(await run()));
  } catch (error) {
    say(`  ✗ ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
if (variants.length > 0) say(`\n${table(variants)}`);
