import { type Digest, isDigest, WhittleError } from "../io/index.ts";

/** Transports that name an image by a registry's rules. */
export type NameTransport = "store" | "docker" | "docker-daemon" | "containers-storage" | "containerd";

/** Transports that name a place on disk. `tar` and `rootfs` hold files only, neither config nor layers. */
export type PathTransport = "oci" | "oci-archive" | "docker-archive" | "tar" | "rootfs";

/**
 * An image known by name. `store` is a bare name: it is looked for in the store first, then in the registry;
 * `docker` (written `docker://`) is a registry and nothing else.
 */
export interface NameReference {
  readonly transport: NameTransport;
  /** Registry and repository as people write them: `debian`, `bar/s0`, `localhost:5000/a`; empty for a bare digest. */
  readonly name: string;
  /** Host and port; `docker.io` where none was written. */
  readonly registry: string;
  /** Path below the registry; `library/` is put before a single word of `docker.io`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** An image in a file or directory. */
export interface PathReference {
  readonly transport: PathTransport;
  readonly path: string;
  /** Which image of several: the name it was given there. */
  readonly tag?: string;
}

/** What names an image. */
export type Reference = NameReference | PathReference;

const engineTransports = ["docker-daemon", "containers-storage", "containerd"] as const;
const pathTransports: readonly PathTransport[] = ["oci", "oci-archive", "docker-archive", "tar", "rootfs"];

// The grammar of the distribution project's reference package.
const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const host = `(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const registryShape = new RegExp(`^${host}$`);
const repositoryShape = new RegExp(`^${component}(?:/${component})*$`);
const tagShape = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
// What skopeo accepts as the name of an image in a layout (image-spec, "org.opencontainers.image.ref.name").
const layoutNameShape =
  /^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:\/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$/;

const defaultRegistry = "docker.io";
const longestName = 255;

/** Whether a reference names a place on disk. */
export function isPathReference(reference: Reference): reference is PathReference {
  return (pathTransports as readonly string[]).includes(reference.transport);
}

/**
 * Reads a reference: `name[:tag][@digest]`, a bare digest, `docker://name…`, `docker-daemon:name…`,
 * `containers-storage:name…`, `containerd:name…`, `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]`,
 * `docker-archive:FILE[:NAME]`, `tar:FILE` or `rootfs:DIR`. Names follow the grammar of the distribution project; a
 * name without a registry belongs to `docker.io`.
 *
 * @throws WhittleError `REFERENCE_INVALID`
 */
export function parseReference(text: string): Reference {
  if (text.startsWith("docker://")) return parseName(text.slice("docker://".length), "docker", text);
  const engine = engineTransports.find((name) => text.startsWith(`${name}:`));
  if (engine !== undefined) return parseName(text.slice(engine.length + 1), engine, text);
  const transport = pathTransports.find((name) => text.startsWith(`${name}:`));
  // `oci:latest` could be an image called "oci", but so skopeo does not read it either.
  if (transport !== undefined) return parsePath(text.slice(transport.length + 1), transport, text);
  return parseName(text, "store", text);
}

function parsePath(rest: string, transport: PathTransport, text: string): PathReference {
  const several = transport !== "tar" && transport !== "rootfs";
  const colon = several ? rest.indexOf(":") : -1;
  const path = colon < 0 ? rest : rest.slice(0, colon);
  if (path === "" || path.includes("\0")) {
    throw invalid(text, `${transport}: has no path, ${transport}:PATH is wanted`);
  }
  if (colon < 0) return { transport, path };
  const tag = rest.slice(colon + 1);
  if (!layoutNameShape.test(tag))
    throw invalid(text, `"${tag.slice(0, 100)}" cannot name an image in a layout`);
  return { transport, path, tag };
}

function parseName(rest: string, transport: NameTransport, text: string): NameReference {
  if (isDigest(rest)) return { transport, name: "", registry: "", repository: "", digest: rest };
  const at = rest.indexOf("@");
  const digest = at < 0 ? undefined : rest.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) {
    throw invalid(text, "after @ there has to be sha256: and 64 hex digits");
  }
  const named = at < 0 ? rest : rest.slice(0, at);
  const colon = named.indexOf(":", named.lastIndexOf("/") + 1);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !tagShape.test(tag)) {
    throw invalid(text, `"${tag.slice(0, 140)}" is no tag: letters, digits, "_", "." and "-", at most 128`);
  }
  const { registry, repository } = splitName(colon < 0 ? named : named.slice(0, colon), text);
  return {
    transport,
    name: familiar(registry, repository),
    registry,
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function splitName(name: string, text: string): { registry: string; repository: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isHost = looksLikeHost(first);
  const registry = isHost ? (first === "index.docker.io" ? defaultRegistry : first) : defaultRegistry;
  const path = isHost ? name.slice(slash + 1) : name;
  if (name === "") throw invalid(text, "it has no name");
  if (!registryShape.test(registry)) throw invalid(text, `"${first.slice(0, 100)}" is no registry`);
  const port = Number(/:(\d+)$/.exec(registry)?.[1] ?? 1);
  if (port < 1 || port > 65_535) throw invalid(text, `${port} is no port, they go from 1 to 65535`);
  if (!repositoryShape.test(path)) {
    const lower = repositoryShape.test(path.toLowerCase())
      ? ", repository names are written in lower case"
      : "";
    throw invalid(text, `"${path.slice(0, 100)}" is no repository name${lower}`);
  }
  if (/^[0-9a-f]{64}$/.test(name)) throw invalid(text, "64 hex digits need sha256: before them");
  const repository = registry === defaultRegistry && !path.includes("/") ? `library/${path}` : path;
  if (registry.length + 1 + repository.length > longestName) {
    throw invalid(text, `it has more than ${longestName} characters`);
  }
  return { registry, repository };
}

/** A first part with a dot, a colon or a capital letter, or `localhost`, is a registry; a repository has none of these there. */
function looksLikeHost(first: string): boolean {
  return /[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase();
}

function familiar(registry: string, repository: string): string {
  if (registry !== defaultRegistry) return `${registry}/${repository}`;
  if (/^library\/[^/]+$/.test(repository)) return repository.slice("library/".length);
  // `docker.io/a.b/c` would be read back as the registry a.b.
  return looksLikeHost(repository.slice(0, repository.indexOf("/")))
    ? `${registry}/${repository}`
    : repository;
}

/** A reference as people write it; reading it again gives an equal reference. */
export function formatReference(reference: Reference): string {
  if (isPathReference(reference)) {
    const { transport, path, tag } = reference;
    return tag === undefined ? `${transport}:${path}` : `${transport}:${path}:${tag}`;
  }
  const { transport, name, tag, digest } = reference;
  const prefix = transport === "store" ? "" : transport === "docker" ? "docker://" : `${transport}:`;
  const tagged = tag === undefined ? name : `${name}:${tag}`;
  if (digest === undefined) return `${prefix}${tagged}`;
  return name === "" ? `${prefix}${digest}` : `${prefix}${tagged}@${digest}`;
}

/**
 * The name under which the store files an image: the familiar name and the tag, `latest` where none was
 * written. It is also what skopeo takes after `oci:DIR:`.
 *
 * @throws WhittleError `REFERENCE_INVALID` when the reference has no name or names content by digest
 */
export function storeName(reference: string | Reference): string {
  const parsed = typeof reference === "string" ? parseReference(reference) : reference;
  if (isPathReference(parsed) || parsed.name === "" || parsed.digest !== undefined) {
    throw invalid(formatReference(parsed), "a name with a tag is wanted here");
  }
  return `${parsed.name}:${parsed.tag ?? "latest"}`;
}

function invalid(text: string, found: string): WhittleError {
  return new WhittleError(
    "REFERENCE_INVALID",
    `Cannot read the image reference "${text.slice(0, 200)}": ${found}`,
    {
      hint: "name[:tag][@digest], or a transport such as oci:DIR[:tag] or docker-archive:FILE",
    },
  );
}
