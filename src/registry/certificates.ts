import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Environment, explainSystemError, WhittleError } from "../io/index.ts";
import type { RegistrySettings } from "./endpoint.ts";

/**
 * What Docker and podman keep for a registry: `*.crt` are authorities, `NAME.cert` with `NAME.key` is what the client
 * shows (containers-certs.d(5)). The first directory that has anything counts.
 *
 * @throws WhittleError `USAGE` when a file is not what its name says, `PERMISSION`
 */
export async function certificatesOf(
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
    if (names.length > 0) return certificatesIn(directory, names);
  }
  return {};
}

async function certificatesIn(
  directory: string,
  names: readonly string[],
): Promise<NonNullable<RegistrySettings["tls"]>> {
  const read = async (name: string): Promise<string> => {
    const path = join(directory, name);
    return readFile(path, "utf8").catch((error: unknown) => {
      throw explainSystemError(error, `read ${path}`);
    });
  };
  const ca: string[] = [];
  for (const name of names.filter((each) => each.endsWith(".crt"))) {
    const text = await read(name);
    requireCertificates(text, join(directory, name));
    ca.push(text);
  }
  const trusted = ca.length === 0 ? {} : { ca };
  const keyOf = (name: string): string => name.replace(/\.cert$/, ".key");
  const cert = names.find((name) => name.endsWith(".cert") && names.includes(keyOf(name)));
  if (cert === undefined) return trusted;
  const shown = { cert: await read(cert), key: await read(keyOf(cert)) };
  await requirePair(shown, `${join(directory, cert)} and ${keyOf(cert)}`);
  return { ...trusted, ...shown };
}

/**
 * OpenSSL takes a file without certificates for one that trusts nobody, and that would be said of the server.
 *
 * @throws WhittleError `USAGE`
 */
export function requireCertificates(text: string, path: string): void {
  if (text.includes("-----BEGIN CERTIFICATE-----")) return;
  throw new WhittleError("USAGE", `Cannot use ${path}: it holds no certificate in PEM`, {
    hint: "openssl x509 -inform der -in FILE makes PEM of a certificate in DER",
  });
}

/**
 * A certificate and a key that do not go together would be found at the first connection, in OpenSSL's words.
 *
 * @throws WhittleError `USAGE`
 */
export async function requirePair(
  shown: { readonly cert: string; readonly key: string },
  called: string,
): Promise<void> {
  const { createSecureContext } = await import("node:tls");
  try {
    createSecureContext(shown);
  } catch (error) {
    const { reason, message } = error as Error & { readonly reason?: string };
    const found = /unsupported|no start line/i.test(reason ?? "") ? "they are not PEM" : (reason ?? message);
    throw new WhittleError("USAGE", `Cannot show ${called} to a registry: ${found}`, { cause: error });
  }
}
