import { isAbsolute } from "node:path";
import { type Environment, WhittleError } from "../io/index.ts";
import { certificatesOf, requireCertificates, requirePair } from "./certificates.ts";
import type { RegistrySettings } from "./endpoint.ts";
import { invalid, readEntries, readIfThere, type SettingsEntry } from "./settings-file.ts";

/**
 * How a registry is to be reached: by `registries.yaml`, and by the directories of certificates that Docker and podman
 * read (`certs.d/HOST:PORT`).
 *
 * @param entries - what the files say, where it is known already
 * @throws WhittleError `USAGE` when the file, or a certificate, is not valid, `NOT_FOUND`, `PERMISSION`
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
  if ((cert === undefined) !== (key === undefined)) {
    throw invalid(path, `${name} has one of cert and key, they belong together`);
  }
  const pem = async (value: unknown, member: string): Promise<string | undefined> => {
    if (value === undefined) return undefined;
    if (typeof value !== "string" || !isAbsolute(value))
      throw invalid(path, `${member} of ${name} is not an absolute path`);
    const read = await readIfThere(value);
    if (read === undefined)
      throw new WhittleError("NOT_FOUND", `Cannot read ${value}: there is no such file, ${path} names it`);
    return read;
  };
  const authority = await pem(ca, "ca");
  const [certificate, secret] = [await pem(cert, "cert"), await pem(key, "key")];
  if (authority !== undefined) requireCertificates(authority, String(ca));
  if (certificate === undefined || secret === undefined) {
    return { insecure, tls: authority === undefined ? {} : { ca: [authority] } };
  }
  const shown = { cert: certificate, key: secret };
  await requirePair(shown, `${cert} and ${key}`);
  return { insecure, tls: { ...(authority === undefined ? {} : { ca: [authority] }), ...shown } };
}
