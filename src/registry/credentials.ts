import type { Environment } from "../io/index.ts";
import type { Credential } from "./credential.ts";
import { credentialFromHelper, eraseFromHelper, storeInHelper } from "./credential-helper.ts";
import {
  authPaths,
  changeDockerConfig,
  type DockerConfig,
  dockerConfigPath,
  readDockerConfig,
  type StoredAuth,
} from "./docker-config.ts";

/** The key under which Docker keeps what belongs to its own hub. */
const hubKey = "https://index.docker.io/v1/";

/** The keys that a registry may have in such files, the usual one first. */
function keysOf(host: string): readonly string[] {
  return host === "docker.io" ? [hubKey, "docker.io", "index.docker.io", "registry-1.docker.io"] : [host];
}

/** `https://HOST/v1/` and `HOST/` stand for HOST, as older tools wrote it. */
function hostOfKey(key: string): string {
  return key.replace(/^https?:\/\//, "").replace(/\/(?:v[12]\/?)?$/, "");
}

/**
 * What is known of a person at a registry: in podman's and Docker's files, or by the credential helpers that they
 * name.
 *
 * @param repository - what it is wanted for: keys such as `HOST/team` count for what is below them, the longest first,
 *   before those of the host (containers-auth.json(5))
 * @throws WhittleError `ENVIRONMENT` when a file or helper is not usable
 */
export async function findCredential(
  host: string,
  environment: Environment,
  repository?: string,
): Promise<Credential | undefined> {
  for (const path of authPaths(environment)) {
    const config = await readDockerConfig(path);
    const particular = credentialBelow(config, host, repository);
    if (particular !== undefined) return particular;
    const helper = helperFor(config, host);
    const kept =
      helper === undefined
        ? undefined
        : await credentialFromHelper(helper, keysOf(host)[0] ?? host, environment);
    const found = kept ?? credentialIn(config, host);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Where {@link saveCredential} put it, for a person. */
export type SavedIn = { readonly helper: string } | { readonly path: string };

/**
 * Keeps a name and a password for a registry, or for a part of one (`HOST/team`): by the helper that the file names,
 * else in the file itself, which its owner only may read.
 */
export async function saveCredential(
  host: string,
  credential: { readonly username: string; readonly password: string },
  environment: Environment,
): Promise<SavedIn> {
  const path = loginPath(environment);
  const [key = host] = keysOf(host);
  // Helpers know hosts only.
  const helper = isPart(host) ? undefined : helperFor(await readDockerConfig(path), host);
  if (helper !== undefined) {
    await storeInHelper(helper, key, credential, environment);
    return { helper };
  }
  const auth = Buffer.from(`${credential.username}:${credential.password}`, "utf8").toString("base64");
  await changeDockerConfig(path, (auths) => {
    auths[key] = { auth };
  });
  return { path };
}

/** Forgets what is known of a person at a registry; answers whether there was anything. */
export async function removeCredential(host: string, environment: Environment): Promise<boolean> {
  let removed = false;
  for (const path of authPaths(environment)) {
    const config = await readDockerConfig(path);
    const helper = isPart(host) ? undefined : helperFor(config, host);
    if (helper !== undefined) {
      const [key = host] = keysOf(host);
      removed = (await credentialFromHelper(helper, key, environment)) !== undefined || removed;
      await eraseFromHelper(helper, key, environment);
    }
    const keys = Object.keys(config.auths ?? {}).filter((key) => belongs(key, host));
    if (keys.length === 0) continue;
    removed = true;
    await changeDockerConfig(path, (auths) => {
      for (const key of keys) delete auths[key];
    });
  }
  return removed;
}

/** Whether a key names a part of a registry. */
function isPart(key: string): boolean {
  return key.includes("/");
}

function loginPath(environment: Environment): string {
  const named = environment["REGISTRY_AUTH_FILE"];
  return named === undefined || named === "" ? dockerConfigPath(environment) : named;
}

/** The helper for a registry; an empty name says that its credentials are in the file, whatever the others' are in. */
function helperFor(config: DockerConfig, host: string): string | undefined {
  const own = keysOf(host).map((key) => config.credHelpers?.[key]);
  return (own.find((helper) => typeof helper === "string") ?? config.credsStore) || undefined;
}

function belongs(key: string, host: string): boolean {
  return keysOf(host).includes(key) || hostOfKey(key) === host;
}

function credentialBelow(
  { auths = {} }: DockerConfig,
  host: string,
  repository: string | undefined,
): Credential | undefined {
  const words = repository?.split("/") ?? [];
  for (let count = words.length; count > 0; count--) {
    const stored = auths[`${host}/${words.slice(0, count).join("/")}`];
    const found = stored === undefined || stored === null ? undefined : readAuth(stored);
    if (found !== undefined) return found;
  }
  return undefined;
}

function credentialIn({ auths }: DockerConfig, host: string): Credential | undefined {
  if (auths === undefined) return undefined;
  const exact = keysOf(host).find((key) => auths[key] !== undefined);
  const key = exact ?? Object.keys(auths).find((candidate) => belongs(candidate, host));
  return key === undefined ? undefined : readAuth(auths[key] ?? {});
}

function readAuth({
  auth,
  username,
  password,
  identitytoken,
  registrytoken,
}: StoredAuth): Credential | undefined {
  if (typeof identitytoken === "string" && identitytoken !== "")
    return { kind: "identity", token: identitytoken };
  if (typeof registrytoken === "string" && registrytoken !== "")
    return { kind: "bearer", token: registrytoken };
  if (typeof auth === "string" && auth !== "") {
    const text = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
    const colon = text.indexOf(":");
    return colon < 1
      ? undefined
      : { kind: "password", username: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  return typeof username === "string" && typeof password === "string" && username !== ""
    ? { kind: "password", username, password }
    : undefined;
}
