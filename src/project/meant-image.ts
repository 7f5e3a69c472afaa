import { resolve } from "node:path";
import { formatPlatform, hostPlatform, openImage } from "../image/index.ts";
import { WhittleError } from "../io/index.ts";
import { type RunnableImage, runnableImage } from "../sandbox/index.ts";
import { readFrom, type Store } from "../store/index.ts";
import { type BuildOptions, buildProject } from "./build.ts";
import { type Project, readProject } from "./read.ts";

/** What `image:` in a `whittle.yaml` means. */
export type MeantImage =
  | { readonly kind: "store"; readonly reference: string }
  | { readonly kind: "project"; readonly project: Project; readonly image: string };

/** Whether a text names a directory with a `whittle.yaml`, perhaps with `#NAME` behind it, and no image. */
function isProjectDirectory(text: string): boolean {
  return /^(?:\.{1,2}(?:[/#]|$)|\/)/.test(text);
}

/**
 * Finds out what is meant by the name of an image: a directory with a `whittle.yaml` (`../bases/postgres`,
 * `../bases/python3#debug`), an image of the project itself, or one of the store.
 *
 * @param directory - relative paths are taken from there
 * @param project - whose images can be named
 * @throws WhittleError `NOT_FOUND`, `RECIPE_INVALID`
 */
export async function meantImage(text: string, directory: string, project?: Project): Promise<MeantImage> {
  if (isProjectDirectory(text)) {
    const [path = "", image] = text.split("#");
    const other = await readProject(resolve(directory, path));
    return { kind: "project", project: other, image: imageNamed(other, image) };
  }
  if (project !== undefined && Object.hasOwn(project.recipe.images, text)) {
    return { kind: "project", project, image: text };
  }
  return { kind: "store", reference: text };
}

/**
 * The image of a project that is meant where nobody says which: the only one, else the one with the project's name.
 *
 * @throws WhittleError `NOT_FOUND`
 */
export function imageNamed(project: Project, name?: string): string {
  const names = Object.keys(project.recipe.images);
  const [only, ...others] = names;
  const meant = name ?? (others.length === 0 ? only : names.find((one) => one === project.name));
  if (meant !== undefined && names.includes(meant)) return meant;
  throw new WhittleError(
    "NOT_FOUND",
    name === undefined
      ? `Cannot choose an image of ${project.file}: it has ${names.length}, and none is called ${project.name}`
      : `Cannot find the image "${name}": ${project.file} has no such image`,
    { hint: `it has: ${names.join(", ")}` },
  );
}

/** How images that are not in the store are come by. */
export interface RunBuildOptions extends Omit<BuildOptions, "images" | "platforms"> {
  readonly store: Store;
  /** Build an image of a project even when the store has it. */
  readonly rebuild?: boolean;
}

/**
 * Makes an image ready to be run. One of a project is taken from the store by the name that a build gives it, and
 * built for this machine's platform where it is not there.
 *
 * @throws WhittleError `NOT_FOUND`, and whatever the build fails with
 */
export async function runnableMeant(meant: MeantImage, options: RunBuildOptions): Promise<RunnableImage> {
  const { store, environment } = options;
  const reference =
    meant.kind === "store" ? meant.reference : await projectReference(meant.project, meant.image, options);
  const opened = await readFrom(reference, options, { store });
  try {
    const image = await openImage(opened.source, opened.descriptor);
    return await runnableImage(image, reference, options, environment);
  } finally {
    await opened.close();
  }
}

async function projectReference(
  project: Project,
  image: string,
  { rebuild, ...options }: RunBuildOptions,
): Promise<string> {
  const { store } = options;
  const reference = `${project.name}:${image}`;
  if (rebuild !== true && (await store.resolve(reference)) !== undefined) return reference;
  const platforms = [formatPlatform(hostPlatform())];
  for (const built of await buildProject(project, { ...options, images: [image], platforms })) {
    for (const referrer of built.referrers) await store.attach(referrer, { replace: true });
    await store.tag(reference, built.descriptor);
  }
  return reference;
}
