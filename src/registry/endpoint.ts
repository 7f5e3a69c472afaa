import { isLoopback, type TlsOptions } from "../http/index.ts";

/** How one registry is reached. */
export interface Endpoint {
  /** Host and port as references name it. */
  readonly host: string;
  /** Addresses to try in order, without a path: `https://registry.example:5000`. */
  readonly addresses: readonly string[];
  readonly tls: TlsOptions;
}

/** What the settings say of one registry. */
export interface RegistrySettings {
  /** Plain HTTP and any certificate are accepted. */
  readonly insecure?: boolean;
  readonly tls?: TlsOptions;
}

// Docker Hub's images are named after one host and served by another one.
const servedElsewhere: Readonly<Record<string, string>> = { "docker.io": "index.docker.io" };

/** How a registry is reached: by TLS, and by plain HTTP on this machine or where a person said so. */
export function endpointOf(host: string, settings: RegistrySettings = {}): Endpoint {
  const server = servedElsewhere[host] ?? host;
  const insecure = settings.insecure === true;
  const addresses = [`https://${server}`, ...(insecure || isLoopback(server) ? [`http://${server}`] : [])];
  return { host, addresses, tls: { ...settings.tls, ...(insecure ? { insecure } : {}) } };
}
