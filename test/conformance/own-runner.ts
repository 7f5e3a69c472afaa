import { execFileSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { formatPlatform, openImage, platformsOf } from "../../src/image/index.ts";
import { openStore } from "../../src/store/index.ts";
import { type Finished, run } from "../program.ts";
import { addBase, makeBase } from "./base.ts";
import { environmentOf, layOut, type OwnCase } from "./own-case.ts";
import { entriesOf, imageDifferences } from "./recording.ts";
import type { Site } from "./site.ts";

/** How our own cases are built. */
export interface OwnRun {
  /** Words in front of `build`: the program, and whatever it is run through. */
  readonly program: readonly [string, ...string[]];
  /** Where the store, the cache and the laid-out cases go. */
  readonly directory: string;
  readonly site: Site;
  /** Who builds, when it is not who runs this. */
  readonly uid?: number;
}

/**
 * Makes the store with the images that cases start from.
 *
 * @param uid - whom it is given to
 */
export async function prepareStore(directory: string, uid?: number): Promise<void> {
  await mkdir(directory, { recursive: true });
  const tar = join(directory, "base.tar");
  await makeBase(tar);
  const store = await openStore(join(directory, "store"), { create: true });
  await addBase(store, tar, "busybox");
  giveTo(uid, directory);
}

function giveTo(uid: number | undefined, directory: string): void {
  if (uid !== undefined) execFileSync("chown", ["-hR", `${uid}:${uid}`, directory]);
}

/** Builds a case as a person would and answers with what differs from docker's build. */
export async function ownDifferences(one: OwnCase, own: OwnRun): Promise<string[]> {
  const { program, directory, site, uid } = own;
  const { expected } = one;
  if (expected === undefined) return ["there is no expected.json: node scripts/record-conformance.ts"];
  const place = join(directory, "cases", one.name);
  const words = (await layOut(one, place)).map(site.fill);
  giveTo(uid, place);
  const build = (name: string, flags: readonly string[]): Promise<Finished> =>
    run([...program, "build", "--network=none", "-t", name, ...flags], {
      cwd: place,
      env: {
        ...environmentOf(one),
        WHITTLE_STORE: join(directory, "store"),
        XDG_CACHE_HOME: join(directory, "cache"),
        ...(uid === undefined ? {} : { HOME: directory, XDG_RUNTIME_DIR: undefined }),
        NO_COLOR: "1",
      },
    });
  for (const [name, recipe] of Object.entries(one.bases ?? {})) {
    const [file, ...flags] = recipe.split(" ");
    const base = await build(name, [...flags, "-f", `context/${file}`, "context"]);
    if (base.status !== 0) return [`the base ${name}: ${base.stderr}`];
  }
  const finished = await build(`own/${one.name}`, words);
  if (expected.status !== 0) return errorDifferences(one, finished);
  if (finished.status !== 0) return [`status ${finished.status}`, ...finished.stderr.split("\n").slice(-12)];
  const store = await openStore(join(directory, "store"));
  const descriptor = await store.resolve(`own/${one.name}`);
  if (descriptor === undefined) return ["the image has no name in the store"];
  const built = await platformsOf(store, descriptor);
  const differences: string[] = [];
  const platforms = built.map(({ platform }) => formatPlatform(platform)).join(" ");
  const wanted = expected.images?.map(({ platform }) => platform).join(" ");
  if (platforms !== wanted) return [`platforms ${platforms} instead of ${wanted}`];
  for (const [index, golden] of (expected.images ?? []).entries()) {
    const of = built[index];
    if (of === undefined) continue;
    const image = await openImage(store, of.descriptor);
    const layers = (await image.layers()).map(
      (layer) => async () => entriesOf(await store.blob(layer.descriptor)),
    );
    const found = await imageDifferences({ config: site.hide(await image.config()), layers }, golden);
    differences.push(...found.map((line) => (built.length === 1 ? line : `${golden.platform}: ${line}`)));
  }
  return differences;
}

function errorDifferences(
  one: OwnCase,
  { status, stderr }: { readonly status: number | null; readonly stderr: string },
): string[] {
  if (status === 0) return [`built, docker says: ${one.expected?.error}`];
  // 2 and 4 are what a person got wrong and what went wrong; anything else would be a defect of ours.
  const wrong = status === 2 || status === 4 || status === 3 ? [] : [`status ${status}`];
  const internal = stderr.includes("Internal error") || /\n\s+at .*:\d+:\d+\)?/.test(stderr);
  const unsaid = (one.says ?? []).filter((words) => !stderr.includes(words));
  return [
    ...wrong,
    ...(internal ? ["an internal error"] : []),
    ...unsaid.map((words) => `the message does not name "${words}": ${stderr.trim()}`),
  ];
}
