import { readFile, realpath } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import {
  type Environment,
  explainSystemError,
  isSystemError,
  WhittleError,
  writeFileAtomically,
} from "../io/index.ts";

/** What Docker and podman keep of a registry. */
export interface StoredAuth {
  /** `name:password` in base64. */
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** The parts of Docker's `config.json`, and of podman's `auth.json`, that speak of credentials. */
export interface DockerConfig {
  readonly auths?: Readonly<Record<string, StoredAuth>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

const mostBytes = 4 * 1024 * 1024;

/** Docker's own file: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
export function dockerConfigPath(environment: Environment): string {
  const directory = environment["DOCKER_CONFIG"];
  const home = environment["HOME"] ?? homedir();
  return join(directory === undefined || directory === "" ? join(home, ".docker") : directory, "config.json");
}

/**
 * Where credentials are looked for, the most particular first: `$REGISTRY_AUTH_FILE`, podman's file of this session and
 * of this person, Docker's (containers-auth.json(5)). Without a session podman's file is where there is one for each
 * user id (podman-login(1), "--authfile").
 */
export function authPaths(environment: Environment): readonly string[] {
  const named = environment["REGISTRY_AUTH_FILE"];
  if (named !== undefined && named !== "") return [named];
  const home = environment["HOME"] ?? homedir();
  const runtime = environment["XDG_RUNTIME_DIR"] ?? "";
  const session = runtime === "" ? `/run/containers/${process.getuid?.() ?? 0}` : join(runtime, "containers");
  const configuration = environment["XDG_CONFIG_HOME"] ?? join(home, ".config");
  return [
    join(session, "auth.json"),
    join(configuration, "containers/auth.json"),
    dockerConfigPath(environment),
  ];
}

/**
 * Reads one of those files; one that is not there holds nothing.
 *
 * @throws WhittleError `PERMISSION`, `ENVIRONMENT` when it is no JSON object
 */
export async function readDockerConfig(path: string): Promise<DockerConfig> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (isSystemError(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")) return "{}";
    throw explainSystemError(error, `read the credentials in ${path}`);
  });
  try {
    const parsed: unknown =
      text.length > mostBytes ? undefined : JSON.parse(text.trim() === "" ? "{}" : text);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed))
      return parsed as DockerConfig;
  } catch {
    // Said below, without the text: it holds passwords.
  }
  throw new WhittleError("ENVIRONMENT", `Cannot use the credentials in ${path}: it is not a JSON object`, {
    hint: "correct it, or move it away and log in again",
  });
}

/**
 * Changes one of those files, keeping everything in it that is not Whittle's business; only its owner may read it. Where
 * the name is a link, the file that it leads to is changed.
 */
export async function changeDockerConfig(
  path: string,
  change: (auths: Record<string, StoredAuth>) => void,
): Promise<void> {
  const config = await readDockerConfig(path);
  const auths = { ...config.auths };
  change(auths);
  const file = await realpath(path).catch(() => path);
  await writeFileAtomically(file, `${JSON.stringify({ ...config, auths }, undefined, 2)}\n`, { mode: 0o600 });
}
