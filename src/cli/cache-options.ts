import { resolve } from "node:path";
import { csvFields } from "../dockerfile/index.ts";
import { parseReference } from "../image/index.ts";
import { isDigest, WhittleError } from "../io/index.ts";
import type { CachePlace, CacheTarget } from "../project/index.ts";
import { type Compression, parseCompression } from "./compression.ts";

type Fields = ReadonlyMap<string, string>;

const wantedFrom = "type=local,src=DIRECTORY or type=registry,ref=NAME";
const wantedTo = "type=local,dest=DIRECTORY, type=registry,ref=NAME or type=inline";

/**
 * Reads `--cache-from type=local,src=DIRECTORY[,tag=TAG|,digest=DIGEST]` or `type=registry,ref=NAME`; a name alone
 * is a registry's.
 *
 * @throws WhittleError `USAGE`
 */
export function cacheSource(text: string, currentDirectory: string): CachePlace {
  const refuse = (found: string): never => refused("--cache-from", text, found, wantedFrom);
  const fields = fieldsOf(text, refuse);
  const type = fields.get("type") ?? "";
  if (type === "inline") return refuse("a cache inside an image is found by the image's name");
  if (type === "registry") {
    onlyKnown(fields, ["type", "ref"], refuse);
    return { kind: "registry", reference: nameOf(fields, refuse) };
  }
  if (type !== "local") return refuse(unknownType(type));
  onlyKnown(fields, ["type", "src", "tag", "digest"], refuse);
  const src = fields.get("src");
  if (src === undefined || src === "") return refuse("it has no src=DIRECTORY");
  const tag = fields.get("tag");
  const digest = fields.get("digest");
  if (digest !== undefined && !isDigest(digest)) return refuse(`"${digest}" is no digest`);
  return {
    ...{ kind: "local", directory: resolve(currentDirectory, src) },
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** What any target may say. */
const usual = ["type", "mode", "ignore-error", "image-manifest", "oci-mediatypes"] as const;
const packing = ["compression", "compression-level", "force-compression"] as const;

/**
 * Reads `--cache-to type=local,dest=DIRECTORY[,tag=TAG]`, `type=registry,ref=NAME` or `type=inline`, each with
 * `mode=min|max` and the attributes of docker buildx.
 *
 * @throws WhittleError `USAGE`
 */
export function cacheTarget(text: string, currentDirectory: string): CacheTarget {
  const refuse = (found: string): never => refused("--cache-to", text, found, wantedTo);
  const fields = fieldsOf(text, refuse);
  const place = placeOf(fields, currentDirectory, refuse);
  const mode = fields.get("mode") ?? "min";
  if (mode !== "min" && mode !== "max") return refuse(`mode=${mode} is neither min nor max`);
  if (place.kind === "inline" && mode === "max") {
    return refuse("what the image has no layer of does not fit into it, mode=min is what there is");
  }
  const docker = !truth(fields, "oci-mediatypes", true, refuse);
  const imageManifest = truth(fields, "image-manifest", !docker, refuse);
  if (imageManifest && docker) return refuse("image-manifest=true needs oci-mediatypes=true");
  if (truth(fields, "force-compression", false, refuse)) {
    return refuse("layers stay as the image has them, whittle build --compression changes both");
  }
  const ignoreErrors = truth(fields, "ignore-error", false, refuse);
  return { place, mode, docker, imageManifest, ignoreErrors, compression: compressionOf(fields, refuse) };
}

function placeOf(fields: Fields, currentDirectory: string, refuse: Refuse): CacheTarget["place"] {
  const type = fields.get("type") ?? "";
  if (type === "inline") {
    onlyKnown(fields, ["type", "mode"], refuse);
    return { kind: "inline" };
  }
  if (type === "registry") {
    onlyKnown(fields, [...usual, ...packing, "ref"], refuse);
    return { kind: "registry", reference: nameOf(fields, refuse) };
  }
  if (type !== "local") return refuse(unknownType(type));
  onlyKnown(fields, [...usual, ...packing, "dest", "tag"], refuse);
  const dest = fields.get("dest");
  if (dest === undefined || dest === "") return refuse("it has no dest=DIRECTORY");
  const tag = fields.get("tag");
  return {
    ...{ kind: "local", directory: resolve(currentDirectory, dest) },
    ...(tag === undefined ? {} : { tag }),
  };
}

function compressionOf(fields: Fields, refuse: Refuse): Compression {
  const type = fields.get("compression") ?? "gzip";
  const level = fields.get("compression-level");
  const ours = type === "uncompressed" ? "none" : type;
  try {
    return parseCompression(level === undefined ? ours : `${ours}:${level}`);
  } catch {
    return refuse(`compression=${type}${level === undefined ? "" : ` at level ${level}`} is not possible`);
  }
}

function nameOf(fields: Fields, refuse: Refuse): string {
  const name = fields.get("ref") ?? "";
  if (name === "") return refuse("it has no ref=NAME");
  try {
    const { transport } = parseReference(name);
    if (transport === "store" || transport === "docker") return name;
  } catch {
    // Said below.
  }
  return refuse(`"${name}" is no name of a registry's image`);
}

type Refuse = (found: string) => never;

function truth(fields: Fields, name: string, usually: boolean, refuse: Refuse): boolean {
  const value = fields.get(name);
  if (value === undefined) return usually;
  return (
    value === "true" ||
    value === "1" ||
    (value === "false" || value === "0" ? false : refuse(`${name}=${value} is neither true nor false`))
  );
}

function onlyKnown(fields: Fields, known: readonly string[], refuse: Refuse): void {
  for (const name of fields.keys()) if (!known.includes(name)) refuse(`"${name}" is not known`);
}

/** Kinds of caches that docker buildx knows beside these. */
const elsewhere: ReadonlySet<string> = new Set(["gha", "s3", "azblob", "gcs"]);

function unknownType(type: string): string {
  return elsewhere.has(type) ? `caches of type=${type} are not possible` : `the type "${type}" is not known`;
}

function fieldsOf(text: string, refuse: Refuse): Fields {
  // A word alone is what docker buildx takes for an image in a registry.
  const words = text.includes("=") ? text : `type=registry,ref=${text}`;
  try {
    return new Map(
      csvFields(words).map((field) => {
        const at = field.indexOf("=");
        return [field.slice(0, Math.max(at, 0)).trim(), field.slice(at + 1).trim()] as const;
      }),
    );
  } catch {
    return refuse("a quote is left open");
  }
}

function refused(option: string, text: string, found: string, wanted: string): never {
  throw new WhittleError("USAGE", `Cannot use ${option} "${text}": ${found}; wanted is ${wanted}`);
}
