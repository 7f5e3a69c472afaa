import { resolve } from "node:path";
import { WhittleError } from "../io/index.ts";
import type { Project } from "./read.ts";

/** What the name of an image in a `whittle.yaml` means. */
export type ImageName =
  | { readonly kind: "store"; readonly reference: string }
  /** Without a directory it is the project that the name is written in; without an image, see {@link imageNamed}. */
  | { readonly kind: "project"; readonly directory?: string; readonly image?: string };

/**
 * Reads the name of an image: a directory with a `whittle.yaml` (`../bases/postgres`, `../bases/python3#debug`), an
 * image of the project itself, or one of the store.
 *
 * @param directory - relative paths are taken from there
 * @param project - the one that the name is written in
 */
export function parseImageName(text: string, directory: string, project?: Project): ImageName {
  if (/^(?:\.{1,2}(?:[/#]|$)|\/)/.test(text)) {
    const [path = "", image] = text.split("#");
    return {
      kind: "project",
      directory: resolve(directory, path),
      ...(image === undefined ? {} : { image }),
    };
  }
  if (project !== undefined && Object.hasOwn(project.recipe.images, text)) {
    return { kind: "project", image: text };
  }
  return { kind: "store", reference: text };
}

/**
 * The image that a project stands for where nobody says which: the only one, else the one with the project's name.
 *
 * @throws WhittleError `NOT_FOUND`
 */
export function imageNamed(project: Project, name: string | undefined): string {
  const names = Object.keys(project.recipe.images);
  const [only, ...others] = names;
  const meant = name ?? (others.length === 0 ? only : names.find((one) => one === project.name));
  if (meant !== undefined && names.includes(meant)) return meant;
  throw new WhittleError(
    "NOT_FOUND",
    name === undefined
      ? `Cannot choose an image of ${project.file}: it has ${names.length}, and none is called ${project.name}`
      : `Cannot find the image "${name}": ${project.file} has no such image`,
    { hint: `name one behind the directory: #${names.join(", #")}` },
  );
}
