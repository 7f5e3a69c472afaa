import type { SettingsEntry } from "./settings-file.ts";
import { invalid } from "./settings-file.ts";

/** A repository of a registry. */
export interface RepositoryPlace {
  /** Host and port. */
  readonly registry: string;
  readonly repository: string;
}

/** Where something is read from: mirrors in order, and where it really lies. */
export interface ReadPlaces {
  readonly mirrors: readonly RepositoryPlace[];
  readonly home: RepositoryPlace;
}

const hostShape = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const pathShape = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/;

/**
 * Where the repository of a reference is read from. The entry whose name is the longest beginning of the repository's
 * full name counts, and that beginning is replaced by each mirror's and by the location
 * (containers-registries.conf(5), "prefix" and "location").
 *
 * @throws WhittleError `USAGE` when a mirror or location is no host with or without a path
 */
export function readPlaces(
  { registry, repository }: RepositoryPlace,
  entries: readonly SettingsEntry[],
): ReadPlaces {
  const full = `${registry}/${repository}`;
  const [first] = entries
    .filter(({ name, values }) => beginsWith(full, name) && ("mirrors" in values || "location" in values))
    // Of equals the first stays first: a person's own file.
    .sort((a, b) => b.name.length - a.name.length);
  if (first === undefined) return { mirrors: [], home: { registry, repository } };
  const { path, name, values } = first;
  const { mirrors = [], location = name } = values;
  if (!Array.isArray(mirrors)) throw invalid(path, `mirrors of ${name} is not a list of hosts`);
  const placed = (value: unknown, member: string): RepositoryPlace => {
    const found = typeof value === "string" ? split(`${value}${full.slice(name.length)}`) : undefined;
    if (found !== undefined) return found;
    throw invalid(
      path,
      `${member} of ${name} has ${JSON.stringify(value)}, HOST[:PORT] or HOST[:PORT]/PATH is wanted`,
    );
  };
  return {
    mirrors: mirrors.map((mirror: unknown) => placed(mirror, "mirrors")),
    home: placed(location, "location"),
  };
}

/** By whole words: `host/a` does not begin `host/ab`. */
function beginsWith(full: string, name: string): boolean {
  return full === name || full.startsWith(`${name}/`);
}

function split(text: string): RepositoryPlace | undefined {
  const slash = text.indexOf("/");
  const [registry, repository] = [text.slice(0, Math.max(slash, 0)), text.slice(slash + 1)];
  return hostShape.test(registry) && pathShape.test(repository) ? { registry, repository } : undefined;
}
