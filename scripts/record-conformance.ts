// Records what docker makes of the cases in test/conformance/cases:
// node scripts/record-conformance.ts [--only WORDS] [--missing]
// with ../shared/tools/peers started.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Descriptor, ImageConfig, Manifest } from "../src/image/index.ts";
import { fileContent } from "../src/io/index.ts";
import { makeBase } from "../test/conformance/base.ts";
import {
  type Expected,
  environmentOf,
  layOut,
  type OwnCase,
  ownCases,
} from "../test/conformance/own-case.ts";
import { entriesOf } from "../test/conformance/recording.ts";
import { openSite, type Site } from "../test/conformance/site.ts";
import { run } from "../test/program.ts";

const { values } = parseArgs({
  options: { only: { type: "string" }, missing: { type: "boolean", default: false } },
});
const root = join(import.meta.dirname, "..");
const tool = join(root, "../shared/tools/peers");
const peers =
  process.env["PEERS_DIR"] ??
  join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "whittle-peers");
// What is below it has the same name inside the peers' root.
const work = join(peers, "work/conformance");

await mkdir(work, { recursive: true });
await makeBase(join(work, "base.tar"));
const changes = ["ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 'CMD ["sh"]'];
inPeers([
  "docker",
  "import",
  ...changes.flatMap((change) => ["-c", change]),
  join(work, "base.tar"),
  "busybox:latest",
]);
const cases = (await ownCases()).filter(
  ({ name, expected, unrecorded }) =>
    unrecorded === undefined &&
    (values.only === undefined || name.includes(values.only)) &&
    !(values.missing && expected !== undefined),
);
const site = await openSite(join(root, "test/conformance/site"));
const recorded: string[] = [];
try {
  for (const one of cases) {
    const expected = await record(one, site).catch((error: unknown) => {
      process.stderr.write(`${one.name}: not recorded: ${error}\n`);
      process.exitCode = 1;
    });
    if (expected === undefined) continue;
    const file = join(one.directory, "expected.json");
    await writeFile(file, lines(expected));
    recorded.push(file);
    const unsaid = (one.says ?? []).filter((words) => expected.error?.includes(words) !== true);
    const note = expected.status === 0 ? "" : ` ${expected.error}`;
    process.stdout.write(`${one.name}: ${expected.status}${note}\n`);
    for (const words of unsaid) process.stdout.write(`  docker does not name "${words}" either\n`);
  }
} finally {
  await site.close();
  await rm(join(work, "cases"), { recursive: true, force: true });
}
if (recorded.length > 0)
  spawnSync("biome", ["format", "--write", ...recorded], { cwd: root, stdio: "inherit" });

async function record(one: OwnCase, site: Site): Promise<Expected> {
  const place = join(work, "cases", one.name);
  const words = (await layOut(one, place)).map(site.fill);
  const ended = new Set(layersOf("busybox:latest"));
  for (const [name, recipe] of Object.entries(one.bases ?? {})) {
    const [file, ...flags] = recipe.split(" ");
    inPeers([
      "docker",
      "buildx",
      "build",
      "--network=none",
      ...flags,
      "-t",
      name,
      "-f",
      `${place}/context/${file}`,
      `${place}/context`,
    ]);
    for (const layer of layersOf(name)) ended.add(layer);
  }
  const own = Object.keys(one.environment ?? {}).map((name) => `${name}=${environmentOf(one)[name]}`);
  const output = join(place, "docker");
  const built = await run([
    tool,
    "run",
    ...["env", "-C", place, ...own],
    ...[
      "docker",
      "buildx",
      "build",
      "--network=none",
      "--no-cache",
      "--progress=plain",
      "--provenance=false",
    ],
    ...["-o", `type=oci,dest=${output},tar=false`],
    ...words,
  ]);
  if (built.status !== 0) {
    const said = built.stderr.split("\n").findLast((line) => line.startsWith("ERROR: ")) ?? built.stderr;
    return {
      status: 1,
      error: site.hide(said.replace("ERROR: failed to build: failed to solve: ", "").trim()),
    };
  }
  const [top] = readJson<{ manifests: Descriptor[] }>(join(output, "index.json")).manifests;
  if (top === undefined) throw new Error(`${one.name}: docker wrote an empty layout`);
  const descriptors = top.mediaType.includes("index")
    ? blob<{ manifests: Descriptor[] }>(output, top).manifests
    : [top];
  const images = [];
  for (const descriptor of descriptors) images.push(await image(output, descriptor, ended, site));
  return { status: 0, images };
}

async function image(
  output: string,
  descriptor: Descriptor,
  ofBases: ReadonlySet<string>,
  site: Site,
): Promise<NonNullable<Expected["images"]>[number]> {
  const manifest = blob<Manifest>(output, descriptor);
  const config = site.hide(blob<ImageConfig & { readonly variant?: string }>(output, manifest.config));
  const layers = [];
  // Without layers docker writes null.
  for (const [index, layer] of (manifest.layers ?? []).entries()) {
    const base = ofBases.has(config.rootfs.diff_ids?.[index] ?? "");
    const file = pathOf(output, layer);
    layers.push({ base, entries: base ? [] : await entriesOf(fileContent(file, statSync(file).size)) });
  }
  const { os, architecture, variant } = config;
  return {
    platform: [os, architecture, variant].filter((part) => part !== undefined).join("/"),
    config: config.config as Record<string, unknown>,
    history: (config.history ?? []).map(({ created: _created, ...line }) => line),
    layers,
  };
}

function layersOf(name: string): string[] {
  // An image without layers has null.
  return (
    JSON.parse(inPeers(["docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", name])) ?? []
  );
}

function inPeers(words: readonly string[]): string {
  const done = spawnSync(tool, ["run", ...words], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${words.join(" ")}: ${done.stderr}`);
  return done.stdout;
}

function blob<T>(output: string, descriptor: Descriptor): T {
  return readJson<T>(pathOf(output, descriptor));
}

function pathOf(output: string, { digest }: Descriptor): string {
  return join(output, "blobs", digest.replace(":", "/"));
}

function readJson<T>(file: string): T {
  if (!existsSync(file)) throw new Error(`${file} is absent`);
  return JSON.parse(readFileSync(file, "utf8")) as T;
}

/** JSON with a line for each entry of a layer and each line of the history. */
function lines(expected: Expected): string {
  const kept: string[] = [];
  const text = JSON.stringify(
    expected,
    (key, value: unknown) => {
      const parent = /^\d+$/.test(key) && value !== null && typeof value === "object";
      if (!parent || "layers" in (value as object) || "entries" in (value as object)) return value;
      kept.push(JSON.stringify(value));
      return `@${kept.length - 1}@`;
    },
    2,
  );
  return `${text.replace(/"@(\d+)@"/g, (_whole, index: string) => kept[Number(index)] ?? "")}\n`;
}
