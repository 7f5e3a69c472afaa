import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { configurationDirectory, type Environment, isSystemError, WhittleError } from "../io/index.ts";

/** What `registries.yaml` may say of a registry, or of a part of one. */
const knownKeys = ["mirrors", "location", "insecure", "ca", "cert", "key"] as const;

/** What one file of settings says under one name, as it stands there. */
export interface SettingsEntry {
  /** The file, for errors. */
  readonly path: string;
  /** A host, or a host and the beginning of a repository's name. */
  readonly name: string;
  readonly values: Readonly<Partial<Record<(typeof knownKeys)[number], unknown>>>;
}

/** Where settings of registries are read from: `$WHITTLE_REGISTRIES`, else a person's own file and the machine's. */
export function settingsPaths(environment: Environment): readonly string[] {
  const named = environment["WHITTLE_REGISTRIES"];
  if (named !== undefined && named !== "") return [named];
  return [join(configurationDirectory(environment), "registries.yaml"), "/etc/whittle/registries.yaml"];
}

/**
 * All entries of the settings, those of a person's own file first.
 *
 * @throws WhittleError `USAGE` when a file is not valid, `NOT_FOUND` when the named one is not there, `PERMISSION`
 */
export async function readEntries(environment: Environment): Promise<readonly SettingsEntry[]> {
  const all: SettingsEntry[] = [];
  for (const path of settingsPaths(environment)) {
    const text = await readIfThere(path);
    if (text !== undefined) all.push(...(await parseEntries(text, path)));
    else if (path === environment["WHITTLE_REGISTRIES"]) {
      throw new WhittleError(
        "NOT_FOUND",
        `Cannot read ${path}: there is no such file, WHITTLE_REGISTRIES names it`,
      );
    }
  }
  return all;
}

async function parseEntries(text: string, path: string): Promise<SettingsEntry[]> {
  const { parse } = await import("yaml");
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw invalid(path, error instanceof Error ? (error.message.split("\n")[0] ?? "") : "it is not YAML");
  }
  if (document === null || document === undefined) return [];
  if (!isRecord(document)) throw invalid(path, "it is not a map with the key `registries`");
  const other = Object.keys(document).find((key) => key !== "registries");
  if (other !== undefined) throw invalid(path, `it has the unknown key "${other}", registries is known`);
  const registries = document["registries"] ?? {};
  if (!isRecord(registries)) throw invalid(path, "`registries` is not a map of hosts");
  return Object.entries(registries).map(([name, values]) => {
    if (!isRecord(values)) throw invalid(path, `what it says of ${name} is not a map`);
    const unknown = Object.keys(values).find((key) => !(knownKeys as readonly string[]).includes(key));
    if (unknown !== undefined) {
      throw invalid(path, `${name} has the unknown key "${unknown}", ${knownKeys.join(", ")} are known`);
    }
    return { path, name, values };
  });
}

/** A file's text, or nothing where there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch((error: unknown) => {
    if (isSystemError(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
    throw new WhittleError(
      "PERMISSION",
      `Cannot read ${path}: ${isSystemError(error) ? error.code : String(error)}`,
    );
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The error for a file of settings. */
export function invalid(path: string, found: string): WhittleError {
  return new WhittleError("USAGE", `Cannot use the registry settings in ${path}: ${found}`);
}
