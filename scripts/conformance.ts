// Builds recorded cases and compares what comes out with what BuildKit made of them:
// npm run conformance [-- --only ID] [--suite NAME] [--verbose]
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { baseName, Conformance, type Outcome } from "../test/conformance/runner.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    suite: { type: "string" },
    verbose: { type: "boolean", default: false },
  },
});
const shared = join(import.meta.dirname, "../../shared");
const packed = join(shared, "corpora/build-cases.tar.gz");
const home = process.env["WHITTLE_CONFORMANCE"] ?? join(tmpdir(), "whittle-conformance");
if (!existsSync(packed) && !existsSync(join(home, "build-cases"))) {
  console.log(`no cases: ${packed} is absent`);
  process.exit(0);
}
mkdirSync(home, { recursive: true });
if (!existsSync(join(home, "build-cases"))) run("tar", ["-xpzf", packed, "-C", home]);
const base = join(home, "base.tar");
if (!existsSync(base)) run(join(shared, "tools/busybox-base"), [base]);

const conformance = await Conformance.open(join(home, "work"), base);
const cases = readdirSync(join(home, "build-cases")).flatMap((suite) =>
  readdirSync(join(home, "build-cases", suite)).map((id) => ({
    suite,
    id,
    directory: join(home, "build-cases", suite, id),
  })),
);
const wanted = cases.filter(
  ({ suite, id }) =>
    (values.suite === undefined || suite === values.suite) &&
    (values.only === undefined || id.includes(values.only)),
);
const figures = new Map<string, { right: number; all: number }>();
// Cases of one test follow each other: some show what the cache keeps of the one before.
const tests = new Map<string, typeof wanted>();
for (const one of wanted) {
  const test = `${one.suite}/${one.id.replace(/_\d+$/, "")}`;
  tests.set(
    test,
    [...(tests.get(test) ?? []), one].sort((a, b) => lineOf(a.id) - lineOf(b.id)),
  );
}
const pending = [...tests.values()];
const failures: { name: string; outcome: Outcome }[] = [];
await Promise.all([worker(), worker()]);
for (const { name, outcome } of failures.sort((a, b) => (a.name < b.name ? -1 : 1))) {
  console.log(`${name}\n${outcome.differences.map((line) => `    ${line}`).join("\n")}`);
}
let right = 0;
for (const [suite, figure] of [...figures].sort()) {
  console.log(`${suite.padEnd(24)} ${figure.right} of ${figure.all}`);
  right += figure.right;
}
console.log(`${"all".padEnd(24)} ${right} of ${wanted.length}`);
process.exitCode = right === wanted.length ? 0 : 1;

async function worker(): Promise<void> {
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    for (const one of next) await build(one);
  }
}

async function build({ suite, id, directory }: (typeof wanted)[number]): Promise<void> {
  const golden = JSON.parse(readFileSync(join(directory, "golden.json"), "utf8"));
  const outcome = await conformance.build(directory, golden);
  const figure = figures.get(suite) ?? { right: 0, all: 0 };
  figure.all++;
  if (outcome.differences.length === 0) figure.right++;
  else failures.push({ name: `${suite}/${id}`, outcome });
  figures.set(suite, figure);
  if (values.verbose) console.log(`${outcome.differences.length === 0 ? "ok  " : "FAIL"} ${suite}/${id}`);
}

function lineOf(id: string): number {
  return Number(/_(\d+)$/.exec(id)?.[1] ?? 0);
}

function run(file: string, args: readonly string[]): void {
  const result = spawnSync(file, args, { stdio: "inherit" });
  if (result.status !== 0) throw new Error(`${file} ${args.join(" ")} failed; the base is ${baseName}`);
}
