import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { configurationDirectory, type Environment, isSystemError, WhittleError } from "../io/index.ts";
import type { RegistrySettings } from "./endpoint.ts";

/** What `registries.yaml` may say of a registry. */
const knownKeys = ["mirrors", "insecure", "ca", "cert", "key"] as const;

/** Where settings of registries are read from: `$WHITTLE_REGISTRIES`, else a person's own file and the machine's. */
export function settingsPaths(environment: Environment): readonly string[] {
  const named = environment["WHITTLE_REGISTRIES"];
  if (named !== undefined && named !== "") return [named];
  return [join(configurationDirectory(environment), "registries.yaml"), "/etc/whittle/registries.yaml"];
}

/**
 * What is set for a registry: by `registries.yaml`, and by the directories of certificates that Docker and podman
 * read (`certs.d/HOST:PORT`).
 *
 * @throws WhittleError `USAGE` when the file is not valid, `NOT_FOUND`, `PERMISSION`
 */
export async function readSettings(host: string, environment: Environment): Promise<RegistrySettings> {
  const tls = await certificatesOf(host, environment);
  for (const path of settingsPaths(environment)) {
    const text = await readIfThere(path);
    if (text === undefined) continue;
    const settings = await parseSettings(text, path, host);
    if (settings !== undefined) return { ...settings, tls: { ...tls, ...settings.tls } };
  }
  return { tls };
}

async function parseSettings(
  text: string,
  path: string,
  host: string,
): Promise<RegistrySettings | undefined> {
  const { parse } = await import("yaml");
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw invalid(path, error instanceof Error ? (error.message.split("\n")[0] ?? "") : "it is not YAML");
  }
  const registries = (document as { registries?: unknown } | null)?.registries;
  if (document === null || registries === undefined) return undefined;
  if (!isRecord(registries)) throw invalid(path, "`registries` is not a map of hosts");
  const found = registries[host];
  if (found === undefined) return undefined;
  if (!isRecord(found)) throw invalid(path, `what it says of ${host} is not a map`);
  const unknown = Object.keys(found).find((key) => !(knownKeys as readonly string[]).includes(key));
  if (unknown !== undefined)
    throw invalid(path, `${host} has the unknown key "${unknown}", ${knownKeys.join(", ")} are known`);
  const { mirrors = [], insecure = false, ca, cert, key } = found;
  if (!Array.isArray(mirrors) || !mirrors.every((mirror) => typeof mirror === "string")) {
    throw invalid(path, `mirrors of ${host} is not a list of hosts`);
  }
  if (typeof insecure !== "boolean") throw invalid(path, `insecure of ${host} is neither true nor false`);
  const pem = async (value: unknown, name: string): Promise<string | undefined> => {
    if (value === undefined) return undefined;
    if (typeof value !== "string" || !isAbsolute(value))
      throw invalid(path, `${name} of ${host} is not an absolute path`);
    const read = await readIfThere(value);
    if (read === undefined)
      throw new WhittleError("NOT_FOUND", `Cannot read ${value}: there is no such file, ${path} names it`);
    return read;
  };
  const [authority, certificate, secret] = [
    await pem(ca, "ca"),
    await pem(cert, "cert"),
    await pem(key, "key"),
  ];
  return {
    mirrors,
    insecure,
    tls: {
      ...(authority === undefined ? {} : { ca: [authority] }),
      ...(certificate === undefined ? {} : { cert: certificate }),
      ...(secret === undefined ? {} : { key: secret }),
    },
  };
}

/** `*.crt` are authorities, `NAME.cert` with `NAME.key` is what the client shows (containers-certs.d(5)). */
async function certificatesOf(
  host: string,
  environment: Environment,
): Promise<NonNullable<RegistrySettings["tls"]>> {
  const home = environment["HOME"] ?? homedir();
  for (const base of [
    join(environment["XDG_CONFIG_HOME"] ?? join(home, ".config"), "containers/certs.d"),
    "/etc/containers/certs.d",
    "/etc/docker/certs.d",
  ]) {
    const directory = join(base, host);
    const names = (await readdir(directory).catch(() => [])).sort();
    if (names.length === 0) continue;
    const read = (name: string) => readFile(join(directory, name), "utf8");
    const client = names.find(
      (name) => name.endsWith(".cert") && names.includes(name.replace(/\.cert$/, ".key")),
    );
    const ca = await Promise.all(names.filter((name) => name.endsWith(".crt")).map(read));
    return {
      ...(ca.length === 0 ? {} : { ca }),
      ...(client === undefined
        ? {}
        : { cert: await read(client), key: await read(client.replace(/\.cert$/, ".key")) }),
    };
  }
  return {};
}

async function readIfThere(path: string): Promise<string | undefined> {
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

function invalid(path: string, found: string): WhittleError {
  return new WhittleError("USAGE", `Cannot use the registry settings in ${path}: ${found}`);
}
