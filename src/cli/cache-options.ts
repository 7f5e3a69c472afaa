import { resolve } from "node:path";
import { isDigest, WhittleError } from "../io/index.ts";
import type { CacheSource, CacheTarget } from "../project/index.ts";

/**
 * Reads `--cache-from type=local,src=DIRECTORY[,tag=TAG|,digest=DIGEST]`.
 *
 * @throws WhittleError `USAGE`
 */
export function cacheSource(text: string, currentDirectory: string): CacheSource {
  const fields = fieldsOf(text, "--cache-from", ["type", "src", "tag", "digest"]);
  const src = fields.get("src");
  if (src === undefined || src === "") throw refused("--cache-from", text, "it has no src=DIRECTORY");
  const tag = fields.get("tag");
  const digest = fields.get("digest");
  if (digest !== undefined && !isDigest(digest)) {
    throw refused("--cache-from", text, `"${digest}" is no digest`);
  }
  return {
    directory: resolve(currentDirectory, src),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/**
 * Reads `--cache-to type=local,dest=DIRECTORY[,mode=min|max][,tag=TAG]`.
 *
 * @throws WhittleError `USAGE`
 */
export function cacheTarget(text: string, currentDirectory: string): CacheTarget {
  const fields = fieldsOf(text, "--cache-to", ["type", "dest", "mode", "tag"]);
  const dest = fields.get("dest");
  if (dest === undefined || dest === "") throw refused("--cache-to", text, "it has no dest=DIRECTORY");
  const mode = fields.get("mode") ?? "min";
  if (mode !== "min" && mode !== "max") {
    throw refused("--cache-to", text, `mode=${mode} is neither min nor max`);
  }
  const tag = fields.get("tag");
  return { directory: resolve(currentDirectory, dest), mode, ...(tag === undefined ? {} : { tag }) };
}

/** Kinds of caches that docker buildx knows and that are not directories. */
const elsewhere: ReadonlySet<string> = new Set(["registry", "inline", "gha", "s3", "azblob"]);

function fieldsOf(text: string, option: string, known: readonly string[]): ReadonlyMap<string, string> {
  // A word alone is what docker buildx takes for an image in a registry.
  const words = text.includes("=") ? text : `type=registry,ref=${text}`;
  const fields = new Map(
    words.split(",").map((field) => {
      const at = field.indexOf("=");
      return [field.slice(0, Math.max(at, 0)).trim(), field.slice(at + 1).trim()] as const;
    }),
  );
  const type = fields.get("type");
  if (type !== undefined && elsewhere.has(type)) {
    throw refused(option, text, `caches of type=${type} are not possible yet`);
  }
  if (type !== "local") throw refused(option, text, `the type "${type ?? ""}" is not known`);
  for (const name of fields.keys()) {
    if (!known.includes(name)) throw refused(option, text, `"${name}" is not known`);
  }
  return fields;
}

function refused(option: string, text: string, found: string): WhittleError {
  const wanted =
    option === "--cache-to" ? "type=local,dest=DIRECTORY[,mode=min|max]" : "type=local,src=DIRECTORY";
  return new WhittleError("USAGE", `Cannot use ${option} "${text}": ${found}, ${wanted} is wanted`);
}
