import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Programs of ours that run as processes of their own; each is a file of its own in the bundle as well. */
export type EntryName = "supervisor" | "forwarder" | "loopback" | "plain-init" | "plain-exec";

/**
 * Where such a program's file is: beside this one in the source, in the bundle beside it or one directory up
 * (a bundler may put what several entries share into a directory).
 */
export function entryFile(name: EntryName): string {
  const places = import.meta.url.endsWith(".ts")
    ? [`./${name}.ts`]
    : [`./${name}.js`, `../${name}.js`, `../sandbox/${name}.js`];
  const paths = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const found = paths.find((path) => existsSync(path));
  if (found === undefined) throw new Error(`Internal error: ${paths[0]} is not part of the installation`);
  return found;
}
