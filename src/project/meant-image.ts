import { formatPlatform, hostPlatform, openImage } from "../image/index.ts";
import { type RunnableImage, runnableImage } from "../sandbox/index.ts";
import { readFrom, type Store } from "../store/index.ts";
import { type BuildOptions, buildProject } from "./build.ts";
import { imageNamed, parseImageName } from "./image-name.ts";
import { type Project, readProject } from "./read.ts";

/** An image of the store, or one that a project describes. */
export type MeantImage =
  | { readonly kind: "store"; readonly reference: string }
  | { readonly kind: "project"; readonly project: Project; readonly image: string };

/**
 * Finds out what is meant by the name of an image: a directory with a `whittle.yaml` (`../bases/postgres`,
 * `../bases/python3#debug`), an image of the project itself, or one of the store.
 *
 * @param directory - relative paths are taken from there
 * @param project - whose images can be named
 * @throws WhittleError `NOT_FOUND`, `RECIPE_INVALID`
 */
export async function meantImage(text: string, directory: string, project?: Project): Promise<MeantImage> {
  const name = parseImageName(text, directory, project);
  if (name.kind === "store") return name;
  const own = name.directory === undefined ? project : await readProject(name.directory);
  if (own === undefined) throw new Error("Internal error: an image of no project was named");
  return { kind: "project", project: own, image: imageNamed(own, name.image) };
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
    await store.publish([reference], built.descriptor, built.referrers);
  }
  return reference;
}
