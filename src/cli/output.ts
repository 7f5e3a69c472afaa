import { csvFields, type ImageForm } from "../dockerfile/index.ts";
import { WhittleError } from "../io/index.ts";
import { type Compression, compressionTypes } from "./compression.ts";

const types = ["store", "image", "oci", "docker", "tar", "local", "registry", "cacheonly"] as const;
type Wanted = (typeof types)[number];

/** Where a built image goes, as `-o` says it. */
export interface Output {
  /** `daemon`: into a docker on this machine; `none`: built and left without a name. */
  readonly type: "store" | "oci" | "docker" | "tar" | "local" | "daemon" | "none";
  /** Path of the file or directory, `-` for standard output; absent for the store. */
  readonly dest?: string;
  /** `oci` and `docker` as one archive file instead of a directory. */
  readonly archive: boolean;
  /** Names beside those of `-t`. */
  readonly names: readonly string[];
  /** How the image is to be written, where this output wants it in another way than the others. */
  readonly form: Partial<ImageForm>;
  readonly indexAnnotations: Readonly<Record<string, string>>;
  readonly push: boolean;
}

const known = [
  ...["type", "dest", "tar", "name", "push", "compression", "compression-level", "force-compression"],
  ...["oci-mediatypes", "rewrite-timestamp", "windows-layers"],
] as const;
type Known = (typeof known)[number];

/**
 * Reads `type=oci,dest=PATH[,tar=true]`; a path alone means `type=local,dest=PATH` and `-` `type=tar,dest=-`, as
 * docker buildx has it.
 *
 * @throws WhittleError `USAGE`
 */
export function parseOutput(text: string): Output {
  const plain = { names: [], form: {}, indexAnnotations: {}, push: false };
  if (text === "-") return { type: "tar", dest: "-", archive: true, ...plain };
  if (!text.includes("=")) return { type: "local", dest: text, archive: false, ...plain };
  const { values, annotations, indexAnnotations } = attributesOf(text);
  const type = types.find((candidate) => candidate === values.get("type"));
  if (type === undefined) throw refused(text, `the type "${values.get("type") ?? ""}" is not known`);
  const push = type === "registry" || truth(text, values, "push", false);
  return {
    ...placeOf(text, type, values),
    names: values.get("name")?.split(",") ?? [],
    form: {
      ...formOf(text, values),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    indexAnnotations,
    push,
  };
}

function attributesOf(text: string) {
  const values = new Map<Known, string>();
  const annotations: Record<string, string> = {};
  const indexAnnotations: Record<string, string> = {};
  for (const field of fieldsOf(text)) {
    const at = field.indexOf("=");
    const name = field.slice(0, Math.max(at, 0)).trim();
    const value = field.slice(at + 1).trim();
    const annotation = /^annotation(?:-(manifest|index))?\.(.+)$/.exec(name);
    const plain = known.find((candidate) => candidate === name);
    if (annotation?.[2] !== undefined) {
      (annotation[1] === "index" ? indexAnnotations : annotations)[annotation[2]] = value;
    } else if (plain === undefined) throw refused(text, `"${name}" is not known`);
    else values.set(plain, value);
  }
  return { values, annotations, indexAnnotations };
}

function fieldsOf(text: string): string[] {
  try {
    return csvFields(text);
  } catch {
    throw refused(text, "a quote is left open");
  }
}

type Values = ReadonlyMap<Known, string>;

function placeOf(text: string, type: Wanted, values: Values): Pick<Output, "type" | "dest" | "archive"> {
  const dest = values.get("dest");
  switch (type) {
    case "store":
    case "image":
    case "registry":
      return { type: "store", archive: false };
    case "cacheonly":
      return { type: "none", archive: false };
    case "tar":
      return { type, dest: wantedPlace(text, dest), archive: true };
    case "local":
      if (dest === "-") throw refused(text, "a directory cannot be written to standard output");
      return { type, dest: wantedPlace(text, dest), archive: false };
    default: {
      if (type === "docker" && (dest === undefined || dest === "")) return { type: "daemon", archive: true };
      const place = wantedPlace(text, dest);
      // As buildx has it an image is one file; a name that ends otherwise has always been a directory here.
      const archive = truth(text, values, "tar", type === "docker" || place === "-" || /\.tar$/.test(place));
      if (!archive && place === "-") throw refused(text, "a directory cannot be written to standard output");
      return { type, dest: place, archive };
    }
  }
}

function wantedPlace(text: string, dest: string | undefined): string {
  if (dest === undefined || dest === "") throw refused(text, "it has no dest=PATH");
  return dest;
}

function formOf(text: string, values: Values): Partial<ImageForm> {
  const type = values.get("compression");
  const level = values.get("compression-level");
  const force = truth(text, values, "force-compression", false);
  const oci = truth(text, values, "oci-mediatypes", true);
  return {
    ...(type === undefined && level === undefined
      ? {}
      : { compression: compressionOf(text, type ?? "gzip", level) }),
    ...(force ? { force } : {}),
    ...(oci ? {} : { docker: true }),
    ...(values.has("windows-layers") ? { windowsLayers: truth(text, values, "windows-layers", false) } : {}),
    ...(truth(text, values, "rewrite-timestamp", false) ? { rewriteTimestamp: true } : {}),
  };
}

function compressionOf(text: string, name: string, level: string | undefined): Compression {
  const type = compressionTypes.find((candidate) => candidate === (name === "uncompressed" ? "none" : name));
  if (type === undefined) throw refused(text, `the compression "${name}" is not known`);
  if (level === undefined) return { type };
  if (!/^\d{1,2}$/.test(level)) throw refused(text, `the level "${level}" is no number`);
  return { type, level: Number(level) };
}

function truth(text: string, values: Values, name: Known, otherwise: boolean): boolean {
  const value = values.get(name);
  if (value === undefined) return otherwise;
  if (/^(?:1|t|true)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw refused(text, `${name}=${value} is neither true nor false`);
}

function refused(text: string, found: string): WhittleError {
  return new WhittleError(
    "USAGE",
    `Cannot write to "${text}": ${found}, type=${types.join("|")}[,dest=PATH] is wanted`,
  );
}
