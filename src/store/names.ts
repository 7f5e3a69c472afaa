import type { Descriptor, Index } from "../image/index.ts";
import { canonicalJson, type Digest } from "../io/index.ts";
import { containerdNameAnnotation, refNameAnnotation } from "./layout.ts";

/**
 * Which manifest an attached one speaks of. It repeats the manifest's `subject`, so that the question for an
 * image's referrers is answered from `index.json` alone.
 */
export const subjectAnnotation = "vnd.whittle.subject";

/** The repository that knows an entry by its digest, and needs no tag for it. */
export const repositoryAnnotation = "vnd.whittle.repository";

/** Says that a manifest has annotations that are too long to be repeated. */
const elsewhereAnnotation = "vnd.whittle.annotations";
export const annotationsElsewhere: Readonly<Record<string, string>> = {
  [elsewhereAnnotation]: "in the manifest",
};

/** A manifest that a repository knows by its digest. */
export interface HeldManifest {
  readonly repository: string;
  readonly descriptor: Descriptor;
}

/** A name of the store with what it stands for. */
export interface NamedImage {
  readonly reference: string;
  readonly descriptor: Descriptor;
}

/** The entry of a name, as it was tagged. */
export function named(index: Index, name: string): Descriptor | undefined {
  const entry = index.manifests.find((item) => item.annotations?.[refNameAnnotation] === name);
  return entry === undefined ? undefined : plain(entry);
}

/** All names, in order. */
export function names(index: Index): NamedImage[] {
  return index.manifests
    .flatMap((entry) => {
      const reference = entry.annotations?.[refNameAnnotation];
      return reference === undefined ? [] : [{ reference, descriptor: plain(entry) }];
    })
    .sort((a, b) => (a.reference < b.reference ? -1 : a.reference > b.reference ? 1 : 0));
}

/** The entries with a name pointing somewhere, in place of where it pointed before. */
export function withName(index: Index, name: string, descriptor: Descriptor): Descriptor[] {
  const annotations = { ...plain(descriptor).annotations, [refNameAnnotation]: name };
  return [...withoutName(index, name), { ...descriptor, annotations }];
}

/** The entries without a name. */
export function withoutName(index: Index, name: string): Descriptor[] {
  return index.manifests.filter((entry) => entry.annotations?.[refNameAnnotation] !== name);
}

/** An entry that has no name but a subject. */
export function attachment(descriptor: Descriptor, subject: Digest): Descriptor {
  return { ...descriptor, annotations: { ...descriptor.annotations, [subjectAnnotation]: subject } };
}

/**
 * The entries with an attachment in place of the same one; with `replace`, in place of all of its artifact type and
 * subject as well. What repositories hold stays.
 */
export function withAttached(index: Index, entry: Descriptor, replace: boolean): Descriptor[] {
  const dropped = new Set(supersededBy(index, entry, replace));
  return [...index.manifests.filter((item) => !dropped.has(item)), entry];
}

/** Whether {@link withAttached} would change nothing but the order. */
export function isAttached(index: Index, entry: Descriptor, replace: boolean): boolean {
  const [same, ...others] = supersededBy(index, entry, replace);
  return same !== undefined && others.length === 0 && canonicalJson(same) === canonicalJson(entry);
}

function supersededBy(index: Index, entry: Descriptor, replace: boolean): Descriptor[] {
  const subject = entry.annotations?.[subjectAnnotation];
  return nameless(index)
    .filter(
      ({ entry: other, subject: of }) =>
        !isHeld(other) &&
        (other.digest === entry.digest ||
          (replace && of === subject && other.artifactType === entry.artifactType)),
    )
    .map(({ entry: other }) => other);
}

/** An entry that has no name and belongs to a repository; it notes its subject, if it has one. */
export function heldEntry(
  descriptor: Descriptor,
  repository: string,
  subject: Digest | undefined,
): Descriptor {
  const annotations = { ...descriptor.annotations, [repositoryAnnotation]: repository };
  const noted = subject === undefined ? {} : { [subjectAnnotation]: subject };
  return { ...descriptor, annotations: { ...annotations, ...noted } };
}

/** Whether an entry is there because a repository knows it by digest. */
export function isHeld(entry: Descriptor): boolean {
  return heldBy(entry) !== undefined;
}

/** The repository that holds an entry. */
export function heldBy(entry: Descriptor): string | undefined {
  return entry.annotations?.[repositoryAnnotation];
}

/** Whether an entry does not repeat the annotations of its manifest. */
export function lacksAnnotations(entry: Descriptor): boolean {
  return entry.annotations?.[elsewhereAnnotation] !== undefined;
}

/** What repositories know by digest. */
export function heldManifests(index: Index): HeldManifest[] {
  return index.manifests.flatMap((entry) => {
    const repository = entry.annotations?.[repositoryAnnotation];
    return repository === undefined ? [] : [{ repository, descriptor: plain(entry) }];
  });
}

/** The entries without a manifest of a repository. */
export function withoutHeld(index: Index, repository: string, digest: Digest): Descriptor[] {
  return index.manifests.filter(
    (entry) => entry.digest !== digest || entry.annotations?.[repositoryAnnotation] !== repository,
  );
}

/** The entries that have no name, with the subject where it was noted. */
export function nameless(index: Index): { entry: Descriptor; subject: string | undefined }[] {
  return index.manifests
    .filter((entry) => entry.annotations?.[refNameAnnotation] === undefined)
    .map((entry) => ({ entry, subject: entry.annotations?.[subjectAnnotation] }));
}

/** A descriptor without the annotations that only mean something inside an `index.json`. */
export function plain(entry: Descriptor): Descriptor {
  const { annotations, ...rest } = entry;
  if (annotations === undefined) return entry;
  const {
    [refNameAnnotation]: _name,
    [containerdNameAnnotation]: _fullName,
    [subjectAnnotation]: _subject,
    [repositoryAnnotation]: _repository,
    [elsewhereAnnotation]: _elsewhere,
    ...others
  } = annotations;
  return Object.keys(others).length === 0 ? rest : { ...rest, annotations: others };
}
