import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { type Environment, WhittleError } from "../io/index.ts";
import type { RegistrySettings } from "./endpoint.ts";
import { invalid, readEntries, readIfThere, type SettingsEntry } from "./settings-file.ts";

/**
 * How a registry is to be reached: by `registries.yaml`, and by the directories of certificates that Docker and podman
 * read (`certs.d/HOST:PORT`).
 *
 * @param entries - what the files say, where it is known already
 * @throws WhittleError `USAGE` when the file is not valid, `NOT_FOUND`, `PERMISSION`
 */
export async function readSettings(
  host: string,
  environment: Environment,
  entries?: readonly SettingsEntry[],
): Promise<RegistrySettings> {
  const tls = await certificatesOf(host, environment);
  const found = (entries ?? (await readEntries(environment))).find(({ name }) => name === host);
  if (found === undefined) return { tls };
  const { insecure, tls: own } = await reachedBy(found);
  return { insecure, tls: { ...tls, ...own } };
}

async function reachedBy({
  path,
  name,
  values,
}: SettingsEntry): Promise<{ insecure: boolean; tls: NonNullable<RegistrySettings["tls"]> }> {
  const { insecure = false, ca, cert, key } = values;
  if (typeof insecure !== "boolean") throw invalid(path, `insecure of ${name} is neither true nor false`);
  const pem = async (value: unknown, member: string): Promise<string | undefined> => {
    if (value === undefined) return undefined;
    if (typeof value !== "string" || !isAbsolute(value))
      throw invalid(path, `${member} of ${name} is not an absolute path`);
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
