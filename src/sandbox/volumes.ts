import { isAbsolute, resolve } from "node:path";
import { WhittleError } from "../io/index.ts";
import { treePath } from "../tree/index.ts";

/** A file or directory of the machine shown inside a container. */
export interface BindMount {
  readonly kind: "bind";
  /** Absolute. */
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
  /** Make a directory of it where there is nothing. */
  readonly create?: boolean;
}

/** A directory that is kept for containers, and outlives them. */
export interface NamedVolume {
  readonly kind: "volume";
  /** Without one, the volume is made for this container alone and goes with it. */
  readonly name?: string;
  readonly destination: string;
  readonly readOnly: boolean;
  /** Leave it empty instead of beginning with what the image has there. */
  readonly noCopy?: boolean;
}

export type Volume = BindMount | NamedVolume;

/** An empty directory in memory that is gone with the container. */
export interface Tmpfs {
  readonly destination: string;
  /** Mount options beyond `nosuid,nodev,noexec`. */
  readonly options: readonly string[];
}

/**
 * Reads what `-v` takes: `[SOURCE:]DESTINATION[:ro|rw]`. SOURCE is a path of the machine when a slash or dot begins
 * it (a relative one is taken from `directory`), else the name of a volume; without SOURCE it is a volume for this
 * container alone.
 *
 * @throws WhittleError `USAGE`
 */
export function parseVolume(text: string, directory: string): Volume {
  const parts = text.split(":");
  if (parts.length === 1 && text.startsWith("/")) {
    return { kind: "volume", destination: destinationPath(text, text), readOnly: false };
  }
  const [source = "", destination = "", options = "rw"] = parts;
  if (parts.length < 2 || parts.length > 3 || source === "") {
    throw invalid(text, "SOURCE:DESTINATION[:ro] is wanted");
  }
  const words = options.split(",");
  const strange = words.find((word) => !["ro", "rw", "z", "Z", "nocopy"].includes(word));
  if (strange !== undefined) throw invalid(text, `the option "${strange}" is not known, ro and rw are`);
  const common = { destination: destinationPath(destination, text), readOnly: words.includes("ro") };
  if (/^[./]/.test(source)) {
    return { kind: "bind", source: machinePath(source, directory), ...common, create: true };
  }
  const noCopy = words.includes("nocopy") ? { noCopy: true } : {};
  return { kind: "volume", name: volumeName(source, text), ...common, ...noCopy };
}

/**
 * Reads what `--mount` takes: `type=bind|volume|tmpfs,source=…,target=…[,readonly]`.
 *
 * @throws WhittleError `USAGE`
 */
export function parseMount(text: string, directory: string): Volume | ({ readonly kind: "tmpfs" } & Tmpfs) {
  const options = new Map(
    text.split(",").map((item) => {
      const [key = "", ...value] = item.split("=");
      return [mountKeys[key.trim().toLowerCase()] ?? key, value.length === 0 ? "true" : value.join("=")];
    }),
  );
  const type = options.get("type") ?? "volume";
  const known = ["type", "target", ...(mountOptions[type] ?? [])];
  const strange = [...options.keys()].find((key) => !known.includes(key));
  if (mountOptions[type] === undefined)
    throw invalid(text, `the type "${type}" is none of bind, volume, tmpfs`);
  if (strange !== undefined) throw invalid(text, `a ${type} mount has no option "${strange}"`);
  const destination = destinationPath(options.get("target") ?? "", text);
  const readOnly = flag(options, "readonly", text);
  const source = options.get("source");
  switch (type) {
    case "bind":
      if (source === undefined) throw invalid(text, "source= is missing");
      return { kind: "bind", source: machinePath(source, directory), destination, readOnly };
    case "tmpfs": {
      const size = options.get("tmpfs-size");
      const mode = options.get("tmpfs-mode");
      const words = [
        ...(size === undefined ? [] : [`size=${size}`]),
        ...(mode === undefined ? [] : [`mode=${mode}`]),
      ];
      return {
        kind: "tmpfs",
        destination,
        options: checkTmpfs([...words, ...(readOnly ? ["ro"] : [])], text),
      };
    }
    default: {
      const name = source === undefined ? {} : { name: volumeName(source, text) };
      const noCopy = flag(options, "volume-nocopy", text) ? { noCopy: true } : {};
      return { kind: "volume", ...name, destination, readOnly, ...noCopy };
    }
  }
}

const mountKeys: Readonly<Record<string, string>> = {
  src: "source",
  dst: "target",
  destination: "target",
  ro: "readonly",
};

const mountOptions: Readonly<Record<string, readonly string[]>> = {
  bind: ["source", "readonly", "bind-propagation"],
  volume: ["source", "readonly", "volume-nocopy"],
  tmpfs: ["readonly", "tmpfs-size", "tmpfs-mode"],
};

function flag(options: ReadonlyMap<string, string>, name: string, text: string): boolean {
  const value = options.get(name) ?? "false";
  if (/^(true|1)$/i.test(value)) return true;
  if (/^(false|0)$/i.test(value)) return false;
  throw invalid(text, `${name} is "${value}", true or false is wanted`);
}

/** The options of tmpfs(5) that a person may set. */
const tmpfsOption =
  /^(?:size=[0-9]+[kmg%]?|mode=[0-7]{3,4}|uid=[0-9]+|gid=[0-9]+|nr_inodes=[0-9]+[kmg]?|exec|noexec|ro|rw|suid|nosuid|dev|nodev|noatime)$/i;

/**
 * Reads what `--tmpfs` takes: `DESTINATION[:OPTION,…]` with the options of tmpfs(5).
 *
 * @throws WhittleError `USAGE`
 */
export function parseTmpfs(text: string): Tmpfs {
  const [destination = "", options = ""] = text.split(":", 2);
  const words = options === "" ? [] : options.split(",");
  return { destination: destinationPath(destination, text), options: checkTmpfs(words, text) };
}

function checkTmpfs(words: readonly string[], text: string): readonly string[] {
  const strange = words.find((word) => !tmpfsOption.test(word));
  if (strange !== undefined) throw invalid(text, `"${strange}" is no option of tmpfs`);
  return words;
}

/**
 * Checks a volume's name (Docker's rule).
 *
 * @throws WhittleError `USAGE`
 */
export function volumeName(name: string, text = name): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name)) return name;
  throw invalid(text, `"${name.slice(0, 100)}" is no name for a volume; a path begins with a slash or a dot`);
}

function machinePath(source: string, directory: string): string {
  return isAbsolute(source) ? source : resolve(directory, source);
}

function destinationPath(destination: string, text: string): string {
  if (!destination.startsWith("/")) throw invalid(text, "the place inside must begin with a slash");
  const path = treePath(destination);
  if (path === "/") throw invalid(text, "the root of the container cannot be replaced");
  return path;
}

function invalid(text: string, found: string): WhittleError {
  return new WhittleError("USAGE", `Cannot mount "${text.slice(0, 200)}": ${found}`);
}
