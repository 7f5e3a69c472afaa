import { isAbsolute, resolve } from "node:path";
import { WhittleError } from "../io/index.ts";
import { treePath } from "../tree/index.ts";

/** A file or directory of the machine shown inside a container. */
export interface Volume {
  /** Absolute. */
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
}

/** An empty directory in memory that is gone with the container. */
export interface Tmpfs {
  readonly destination: string;
  /** Mount options beyond `nosuid,nodev,noexec`. */
  readonly options: readonly string[];
}

/**
 * Reads what `-v` takes: `SOURCE:DESTINATION[:ro|rw]`. SOURCE is a path of the machine; one that does not begin
 * with a slash is taken from `directory`.
 *
 * @throws WhittleError `USAGE`
 */
export function parseVolume(text: string, directory: string): Volume {
  const parts = text.split(":");
  const [source = "", destination = "", options = "rw"] = parts;
  if (parts.length < 2 || parts.length > 3 || source === "") {
    throw invalid(text, "SOURCE:DESTINATION[:ro] is wanted");
  }
  const words = options.split(",");
  const strange = words.find((word) => !["ro", "rw", "z", "Z"].includes(word));
  if (strange !== undefined) throw invalid(text, `the option "${strange}" is not known, ro and rw are`);
  return {
    source: isAbsolute(source) ? source : resolve(directory, source),
    destination: destinationPath(destination, text),
    readOnly: words.includes("ro"),
  };
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
  const strange = words.find((word) => !tmpfsOption.test(word));
  if (strange !== undefined) throw invalid(text, `"${strange}" is no option of tmpfs`);
  return { destination: destinationPath(destination, text), options: words };
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
