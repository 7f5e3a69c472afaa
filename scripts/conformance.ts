// Builds Dockerfiles whose result with BuildKit is recorded, and compares what comes out:
// npm run conformance [-- --only WORDS] [--suite NAME] [--verbose]
// The suite "own" is test/conformance/cases, built by the bundled program (npm run build), "rootless" a sample of it
// built by an ordinary user; the others are recordings beside the repository.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { copyFile, cp, mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ownCases } from "../test/conformance/own-case.ts";
import { ownDifferences, prepareStore } from "../test/conformance/own-runner.ts";
import { baseName, Conformance } from "../test/conformance/runner.ts";
import { openSite } from "../test/conformance/site.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    suite: { type: "string" },
    verbose: { type: "boolean", default: false },
  },
});
const root = join(import.meta.dirname, "..");
const shared = join(root, "../shared");
const home = process.env["WHITTLE_CONFORMANCE"] ?? join(tmpdir(), "whittle-conformance");
mkdirSync(home, { recursive: true });
const ordinaryUser = 4242;

/** One build and how to find what is different. */
interface Check {
  readonly suite: string;
  readonly name: string;
  readonly differences: () => Promise<readonly string[]>;
}

const figures = new Map<string, { right: number; all: number }>();
const failures: string[] = [];
const site = await openSite(join(root, "test/conformance/site"));
try {
  await perform([...(await recordedChecks()), ...(await ownChecks()), ...(await rootlessChecks())]);
} finally {
  await site.close();
}
for (const failure of failures.sort()) console.log(failure);
for (const [suite, figure] of figures) console.log(`${suite.padEnd(24)} ${figure.right} of ${figure.all}`);
const sums = ["recorded", "own", "rootless"].map((kind) => {
  const kindOf = (suite: string): string => (suite === "own" || suite === "rootless" ? suite : "recorded");
  const counted = [...figures].filter(([suite]) => kindOf(suite) === kind);
  const sum = (part: "right" | "all"): number =>
    counted.reduce((total, [, figure]) => total + figure[part], 0);
  return `${kind} ${sum("right")} of ${sum("all")}`;
});
console.log(sums.join(", "));
process.exitCode = failures.length === 0 ? 0 : 1;

/** Checks side by side; those in one list follow each other. */
async function perform(lists: readonly (readonly Check[])[]): Promise<void> {
  const pending = lists.map((list) => list.filter(wanted)).filter((list) => list.length > 0);
  const worker = async (): Promise<void> => {
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      for (const check of next) await note(check);
    }
  };
  await Promise.all([worker(), worker()]);
}

function wanted({ suite, name }: Check): boolean {
  return (
    (values.suite === undefined || suite === values.suite) &&
    (values.only === undefined || name.includes(values.only))
  );
}

async function note({ suite, name, differences }: Check): Promise<void> {
  const figure = figures.get(suite) ?? { right: 0, all: 0 };
  figures.set(suite, figure);
  figure.all++;
  const found = await differences().catch((error: unknown) => [`${error}`]);
  if (found.length === 0) figure.right++;
  else failures.push(`${suite}/${name}\n${found.map((line) => `    ${line}`).join("\n")}`);
  if (values.verbose) console.log(`${found.length === 0 ? "ok  " : "FAIL"} ${suite}/${name}`);
}

async function ownChecks(): Promise<Check[][]> {
  const directory = join(home, "own");
  await rm(directory, { recursive: true, force: true });
  await prepareStore(directory);
  const program = [process.execPath, join(root, "dist/whittle.js")] as const;
  return (await ownCases()).map((one) => [
    { suite: "own", name: one.name, differences: () => ownDifferences(one, { program, directory, site }) },
  ]);
}

/** A sample of them once more, by somebody without privileges and with one id only, where this is root. */
async function rootlessChecks(): Promise<Check[][]> {
  if (process.getuid?.() !== 0) return [];
  const directory = join(home, "rootless");
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  // The checkout may be where that user cannot read.
  const program = join(directory, "program");
  await cp(join(root, "dist"), join(program, "dist"), { recursive: true });
  for (const module of ["koffi", "@koromix"]) {
    await cp(join(root, "node_modules", module), join(program, "node_modules", module), { recursive: true });
  }
  await copyFile(process.execPath, join(program, "node"));
  await prepareStore(directory, ordinaryUser);
  const ids = ["--reuid", `${ordinaryUser}`, "--regid", `${ordinaryUser}`, "--clear-groups", "--"];
  const words = ["setpriv", ...ids, join(program, "node"), join(program, "dist/whittle.js")] as const;
  const sample = (await ownCases()).filter(({ rootless }) => rootless === true);
  return sample.map((one) => [
    {
      suite: "rootless",
      name: one.name,
      differences: () => ownDifferences(one, { program: words, directory, site, uid: ordinaryUser }),
    },
  ]);
}

async function recordedChecks(): Promise<Check[][]> {
  const packed = join(shared, "corpora/build-cases.tar.gz");
  const unpacked = join(home, "build-cases");
  if (!existsSync(packed) && !existsSync(unpacked)) {
    console.log(`no recorded builds: ${packed} is absent`);
    return [];
  }
  if (!existsSync(unpacked)) run("tar", ["-xpzf", packed, "-C", home]);
  const base = join(home, "base.tar");
  if (!existsSync(base)) run(join(shared, "tools/busybox-base"), [base]);
  const conformance = await Conformance.open(join(home, "work"), base);
  // Cases of one test follow each other: some show what the cache keeps of the one before.
  const tests = new Map<string, (Check & { readonly line: number })[]>();
  for (const suite of readdirSync(unpacked)) {
    for (const name of readdirSync(join(unpacked, suite))) {
      const directory = join(unpacked, suite, name);
      const differences = async (): Promise<readonly string[]> => {
        const golden = JSON.parse(readFileSync(join(directory, "golden.json"), "utf8"));
        return (await conformance.build(directory, golden)).differences;
      };
      const test = `${suite}/${name.replace(/_\d+$/, "")}`;
      const line = Number(/_(\d+)$/.exec(name)?.[1] ?? 0);
      tests.set(test, [...(tests.get(test) ?? []), { suite, name, differences, line }]);
    }
  }
  return [...tests.values()].map((test) => test.sort((a, b) => a.line - b.line));
}

function run(file: string, args: readonly string[]): void {
  const result = spawnSync(file, args, { stdio: "inherit" });
  if (result.status !== 0) throw new Error(`${file} ${args.join(" ")} failed; the base is ${baseName}`);
}
