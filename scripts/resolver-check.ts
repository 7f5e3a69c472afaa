/**
 * Asks apt and Whittle's resolver for the same packages in an empty root and prints how often they agree, with each
 * difference.
 *
 *     node scripts/resolver-check.ts [--arch amd64,arm64] [--recommends] [--sample] [--answers DIR] [PACKAGE...]
 *
 * `--arch` takes `SUITE/ARCHITECTURE` as well; `--answers` keeps apt's answers between runs. Exit status 1 when there
 * is a difference that docs/resolver.md does not explain.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openIndex, type PackageIndex, resolve } from "../src/debian/index.ts";
import { WhittleError } from "../src/io/index.ts";

/** Where apt is asked; `undefined` where the tool is not there. */
export const aptSim: string | undefined = [
  fileURLToPath(new URL("../../shared/tools/apt-sim", import.meta.url)),
].find((path) => existsSync(path));

/** apt's own directory for its indexes, and ours beside it. */
const directory = process.env["APT_SIM_DIR"] ?? join(tmpdir(), "whittle-apt-sim");

/** A suite and an architecture of it. */
export interface Target {
  readonly suite: string;
  readonly architecture: string;
}

/** One request that the two answered differently. */
export interface Difference {
  readonly request: string;
  readonly onlyApt: readonly string[];
  readonly onlyWhittle: readonly string[];
}

/** What a set of requests came to. */
export interface Comparison {
  readonly asked: number;
  readonly refused: number;
  readonly differences: readonly Difference[];
}

/** An answer: `name version architecture` lines, sorted, or `undefined` for a refusal, with its words. */
interface Answer {
  readonly packages: readonly string[] | undefined;
  readonly words: string;
}

async function output(command: string, args: readonly string[]): Promise<{ code: number; text: Buffer }> {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, APT_SIM_DIR: directory },
  });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number>((done, fail) => {
    child.on("error", fail);
    child.on("close", (status) => done(status ?? 1));
  });
  return { code, text: Buffer.concat(chunks) };
}

async function askApt(target: Target, recommends: boolean, request: string): Promise<Answer> {
  if (aptSim === undefined) throw new Error("apt-sim is not there");
  const { code, text } = await output(aptSim, [
    target.architecture,
    target.suite,
    recommends ? "rec" : "norec",
    ...request.split(" "),
  ]);
  const lines = text.toString("utf8").split("\n").filter(Boolean);
  return code === 0 ? { packages: lines, words: "" } : { packages: undefined, words: lines.join(" ") };
}

function askWhittle(index: PackageIndex, target: Target, recommends: boolean, request: string): Answer {
  try {
    const { packages } = resolve([index], {
      architecture: target.architecture,
      packages: request.split(" "),
      recommends,
    });
    const lines = packages.map((each) => `${each.name} ${each.version} ${each.architecture}`);
    return { packages: lines.sort(), words: "" };
  } catch (error) {
    if (!(error instanceof WhittleError)) throw error;
    return { packages: undefined, words: `${error.code}: ${error.message}` };
  }
}

/** Opens the very index that apt reads, so that both see the same state of the archive. */
async function indexOf(target: Target): Promise<PackageIndex> {
  const root = join(directory, `${target.suite}-${target.architecture}`);
  const lists = join(root, "var/lib/apt/lists");
  if (!existsSync(join(root, "apt.conf"))) await askApt(target, false, "base-files");
  const name = (await readdir(lists)).find((each) => /_Packages(\.|$)/.test(each));
  if (name === undefined) throw new Error(`apt has no index of ${target.suite} for ${target.architecture}`);
  const { text } = await output("/usr/lib/apt/apt-helper", ["cat-file", join(lists, name)]);
  const sha256 = createHash("sha256").update(text).digest("hex");
  const path = join(root, "Packages");
  await writeFile(path, text);
  return openIndex({ path, sha256, suite: target.suite, mirror: "apt" }, root);
}

/** The requests of resolver-packages.txt, or the marked sample of them. */
export async function requests(sample: boolean): Promise<string[]> {
  const text = await readFile(new URL("resolver-packages.txt", import.meta.url), "utf8");
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return lines.filter((line) => !sample || line.startsWith("* ")).map((line) => line.replace(/^\* /, ""));
}

/**
 * Compares the two on one target.
 *
 * @param answers - where apt's answers are kept between runs
 */
export async function compare(
  target: Target,
  recommends: boolean,
  wanted: readonly string[],
  report: (line: string) => void,
  answers?: string,
): Promise<Comparison> {
  using index = await indexOf(target);
  const place = `${target.suite}-${target.architecture}-${recommends ? "rec" : "norec"}`;
  const kept = answers === undefined ? undefined : join(answers, `${place}.json`);
  const known: Record<string, Answer> =
    kept !== undefined && existsSync(kept) ? JSON.parse(await readFile(kept, "utf8")) : {};
  const differences: Difference[] = [];
  let refused = 0;
  for (const request of wanted) {
    const apt = known[request] ?? (await askApt(target, recommends, request));
    known[request] = apt;
    if (answers !== undefined && kept !== undefined) {
      await mkdir(answers, { recursive: true });
      await writeFile(kept, JSON.stringify(known));
    }
    const ours = askWhittle(index, target, recommends, request);
    if (apt.packages === undefined) refused++;
    const theirs = apt.packages ?? [`refused: ${apt.words}`];
    const mine = ours.packages ?? [`refused: ${ours.words}`];
    if (apt.packages === undefined && ours.packages === undefined) continue;
    const onlyApt = theirs.filter((line) => !mine.includes(line));
    const onlyWhittle = mine.filter((line) => !theirs.includes(line));
    if (onlyApt.length + onlyWhittle.length === 0) continue;
    differences.push({ request, onlyApt, onlyWhittle });
    report(
      `${place}: ${request}\n  only apt: ${onlyApt.join(", ")}\n  only whittle: ${onlyWhittle.join(", ")}`,
    );
  }
  return { asked: wanted.length, refused, differences };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      arch: { type: "string", default: "amd64,arm64,armhf,s390x,bookworm/mips64el" },
      recommends: { type: "boolean", default: false },
      sample: { type: "boolean", default: false },
      answers: { type: "string" },
    },
  });
  const wanted = positionals.length > 0 ? positionals : await requests(values.sample);
  let different = 0;
  for (const text of values.arch.split(",")) {
    const [architecture = "", suite = "trixie"] = text.split("/").reverse();
    const target = { suite, architecture };
    const { asked, refused, differences } = await compare(
      target,
      values.recommends,
      wanted,
      console.log,
      values.answers,
    );
    different += differences.length;
    console.log(
      `${suite} ${architecture}: ${asked - differences.length} of ${asked} the same (${refused} refused by apt)`,
    );
  }
  process.exitCode = different === 0 ? 0 : 1;
}

if (import.meta.main) await main();
