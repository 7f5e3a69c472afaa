import type { Solver } from "../build/index.ts";
import { WhittleError } from "../io/index.ts";
import type { CacheTarget } from "./cache-export.ts";
import type { CacheHome, CachePlace } from "./cache-place.ts";
import type { ImportedCache } from "./outcomes.ts";
import type { Project } from "./read.ts";

/** Caches that a build reads and writes. */
export interface BuildCaches {
  /** Caches that earlier builds exported. */
  readonly cacheFrom?: readonly CachePlace[];
  /** Where this build's cache is exported to. */
  readonly cacheTo?: readonly CacheTarget[];
}

/** Opens the caches that a build may take from; those that are of no use are warnings. */
export async function importedCaches(options: CacheHome & BuildCaches): Promise<ImportedCache[]> {
  const { cacheFrom = [] } = options;
  if (cacheFrom.length === 0) return [];
  const { importCache } = await import("./cache-import.ts");
  const opened = await Promise.all(cacheFrom.map((place) => importCache(place, options)));
  return opened.filter((one) => one !== undefined);
}

/**
 * Writes a build's caches, but those inside of images.
 *
 * @param solvers - what the build was solved with
 * @throws WhittleError as {@link exportCache}
 */
export async function exportCaches(
  solvers: readonly Solver[],
  options: CacheHome & BuildCaches,
): Promise<void> {
  for (const target of options.cacheTo ?? []) {
    const { exportCache } = await import("./cache-export.ts");
    await exportCache(solvers, target, options);
  }
}

/** Whether images are to carry their caches; the build argument is how BuildKit's front end is told. */
export function wantsInlineCache({
  cacheTo = [],
  buildArguments,
}: BuildCaches & { readonly buildArguments?: ReadonlyMap<string, string> }): boolean {
  const asked = /^(?:1|t|true)$/i.test(buildArguments?.get("BUILDKIT_INLINE_CACHE") ?? "");
  return asked || cacheTo.some(({ place }) => place.kind === "inline");
}

/**
 * Refuses caches inside of images that cannot carry them: what explains a recipe's image names it by its digest, which
 * a cache inside would change.
 *
 * @throws WhittleError `USAGE`
 */
export function requireInlineFits(
  project: Project,
  options: BuildCaches & { readonly images?: readonly string[] },
): void {
  if (!wantsInlineCache(options)) return;
  const { images } = project.recipe;
  const wanted = options.images ?? Object.keys(images);
  const other = wanted.find((name) => images[name] !== undefined && images[name].dockerfile === undefined);
  if (other === undefined) return;
  throw new WhittleError(
    "USAGE",
    `Cannot use --cache-to type=inline for the image "${other}": no Dockerfile describes it, and only images of Dockerfiles carry a cache`,
    { hint: "type=registry,ref=NAME or type=local,dest=DIRECTORY keeps it apart" },
  );
}
