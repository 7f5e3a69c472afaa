import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createCipheriv, createHash } from "node:crypto";
import { once } from "node:events";
import { createWriteStream, writeFileSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import type { Case, Contestant } from "./case.ts";
import { type Command, measure } from "./measure.ts";
import type { Workplace } from "./workplace.ts";

const megabyte = 1024 * 1024;

/** A program that serves a registry out of a directory on a port. */
interface Server {
  readonly name: string;
  start(directory: string, port: number): ChildProcess;
}

/** A registry that is started anew, empty, as often as a case wants. */
class Registry {
  readonly name: string;
  readonly host: string;
  readonly #server: Server;
  readonly #directory: string;
  #process: ChildProcess | undefined;

  constructor(server: Server, directory: string, port: number) {
    this.host = `127.0.0.1:${port}`;
    this.name = server.name;
    this.#server = server;
    this.#directory = directory;
  }

  async empty(): Promise<void> {
    await this.stop();
    await rm(this.#directory, { recursive: true, force: true });
    await mkdir(this.#directory, { recursive: true });
    this.#process = this.#server.start(this.#directory, Number(this.host.split(":")[1]));
    while (!(await fetch(`http://${this.host}/v2/`).catch(() => undefined))?.ok) {
      if (this.#process.exitCode !== null) throw new Error(`${this.#server.name} ended`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(): Promise<void> {
    if (this.#process === undefined || this.#process.exitCode !== null) return;
    this.#process.kill("SIGKILL");
    await once(this.#process, "exit");
  }
}

/**
 * Images between registries, and to and from one, on the loopback interface: a gigabyte in 12 layers by copy, against
 * skopeo; that and a layer of 210 MB pushed and pulled, and pushed when it is there already, against crane. The servers
 * against each other take and give that layer by curl.
 */
export async function registryCases(work: Workplace): Promise<{ cases: Case[]; stop: () => Promise<void> }> {
  const place = (name: string): string => join(work.directory, name);
  const large = await randomImage(place("large"), 12, 83 * megabyte);
  const small = await randomImage(place("small"), 1, 210 * megabyte);
  const images = [
    ["1 GB in 12 layers", large],
    ["210 MB", small],
  ] as const;
  const served: Server = {
    name: "whittle serve",
    start: (directory, port) => {
      const [node, ...words] = work.whittle(
        "--store",
        join(directory, "store"),
        "serve",
        "--listen",
        `127.0.0.1:${port}`,
      ).words;
      return spawn(node, words, { stdio: "ignore" });
    },
  };
  const servers = [dockerRegistry, served].filter(
    ({ name }) => name !== "docker-registry" || has("docker-registry"),
  );
  const registries: Registry[] = [];
  const receivers: Registry[] = [];
  const cases: Case[] = [];
  for (const [at, server] of servers.entries()) {
    const [from, to] = [0, 1].map((number) => {
      const registry = new Registry(server, place(`${server.name}-${number}`), 25_000 + at * 2 + number);
      registries.push(registry);
      return registry;
    }) as [Registry, Registry];
    // Ours comes first where servers are compared.
    receivers.unshift(to);
    const source = `${from.host}/large:1`;
    cases.push({
      name: `registries: copy 1 GB in 12 layers, ${server.name}`,
      make: async () => {
        await from.empty();
        await measure(work.whittle("push", `oci:${large}`, source));
      },
      contestants: [
        ...both("whittle copy", work.whittle("copy", `docker://${source}`, `docker://${to.host}/large:1`)),
        ...both("skopeo copy", {
          words: [
            ...(["skopeo", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"] as const),
            ...[`docker://${source}`, `docker://${to.host}/large:1`],
          ],
        }),
      ].map((one) => ({ ...one, prepare: () => to.empty() })),
    });
    for (const [size, layout] of images) {
      const name = `${to.host}/${layout === large ? "large" : "small"}:1`;
      const push: Contestant[] = [
        ...both("whittle push", work.whittle("push", `oci:${layout}`, name)),
        ...both("crane push", { words: ["crane", "push", "--insecure", layout, name] }),
      ];
      const fill = async (): Promise<void> => {
        await to.empty();
        await measure(work.whittle("push", `oci:${layout}`, name));
      };
      cases.push(
        {
          name: `registries: push ${size}, ${server.name}`,
          contestants: push.map((each) => ({ ...each, prepare: () => to.empty() })),
        },
        {
          name: `registries: push what is there of ${size}, ${server.name}`,
          make: fill,
          contestants: push,
        },
        {
          name: `registries: pull ${size}, ${server.name}`,
          make: fill,
          contestants: [
            ...both("whittle pull", work.whittle("pull", "--store", place("pulled"), name)),
            ...both("crane pull", {
              words: ["crane", "pull", "--insecure", "--format=oci", name, place("pulled")],
            }),
          ].map((each) => ({
            ...each,
            prepare: () => rm(place("pulled"), { recursive: true, force: true }),
          })),
        },
      );
    }
  }
  cases.push(...serverCases(receivers, await layerOf(small)));
  return {
    cases,
    stop: async () => {
      for (const registry of registries) await registry.stop();
    },
  };
}

/** A blob as a file, with its digest. */
interface BlobFile {
  readonly path: string;
  readonly digest: string;
}

/** What a server takes and gives, the client being the same. */
function serverCases(registries: readonly Registry[], blob: BlobFile): Case[] {
  const push = ({ host }: Registry): Command => ({
    words: ["sh", "-ec", pushByCurl, "push", `http://${host}`, blob.path, blob.digest],
  });
  const pull = ({ host }: Registry): Command => ({
    words: ["sh", "-ec", 'curl -sSf "$1" >/dev/null', "pull", `http://${host}/v2/blobs/blobs/${blob.digest}`],
  });
  return [
    {
      name: "registries: a server takes 210 MB from curl",
      contestants: registries.map((registry) => ({
        ...{ name: registry.name, prepare: () => registry.empty() },
        command: () => push(registry),
      })),
    },
    {
      name: "registries: a server gives 210 MB to curl",
      make: async () => {
        for (const registry of registries) {
          await registry.empty();
          await measure(push(registry));
        }
      },
      contestants: registries.map((registry) => ({ name: registry.name, command: () => pull(registry) })),
    },
  ];
}

/** Opens an upload, sends all bytes in one PATCH, and closes it; where it goes on may be said without a host. */
const pushByCurl = `
at() { case $1 in /*) echo "$origin$1" ;; *) echo "$1" ;; esac }
origin=$1
say='%header{location}'
next=$(curl -sSf -X POST -w "$say" "$origin/v2/blobs/blobs/uploads/")
next=$(curl -sSf -X PATCH -T "$2" -H 'content-type: application/octet-stream' -w "$say" "$(at "$next")")
next=$(at "$next")
case $next in *\\?*) next="$next&digest=$3" ;; *) next="$next?digest=$3" ;; esac
curl -sSf -X PUT -H 'content-length: 0' "$next"
`;

/** The only layer of an image layout with one image. */
async function layerOf(directory: string): Promise<BlobFile> {
  const read = async (path: string) => JSON.parse(await readFile(join(directory, path), "utf8")) as unknown;
  const blob = (digest: string): string => join("blobs", digest.replace(":", "/"));
  const { manifests } = (await read("index.json")) as { manifests: [{ digest: string }] };
  const { layers } = (await read(blob(manifests[0].digest))) as { layers: [{ digest: string }] };
  const [{ digest }] = layers;
  return { digest, path: join(directory, blob(digest)) };
}

/** A contestant, where the machine has its program. */
function both(name: string, command: Command): Contestant[] {
  return has(command.words[0]) ? [{ name, command: () => command }] : [];
}

function has(program: string): boolean {
  return program.startsWith("/") || spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
}

const dockerRegistry: Server = {
  name: "docker-registry",
  start: (directory, port) => {
    const settings = `version: 0.1\nstorage: {filesystem: {rootdirectory: ${directory}}}\nhttp: {addr: "127.0.0.1:${port}"}\nlog: {level: error, accesslog: {disabled: true}}\n`;
    const environment = { ...process.env, OTEL_TRACES_EXPORTER: "none" };
    const file = join(directory, "config.yml");
    writeFileSync(file, settings);
    return spawn("docker-registry", ["serve", file], { env: environment, stdio: "ignore" });
  },
};

/** An image layout with one image of layers that no compression makes smaller; the same in every run. */
async function randomImage(directory: string, layers: number, size: number): Promise<string> {
  const blobs = join(directory, "blobs/sha256");
  await mkdir(blobs, { recursive: true });
  const descriptors: object[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16, layer + 1), Buffer.alloc(16));
    const hash = createHash("sha256");
    const path = join(directory, "layer");
    const file = createWriteStream(path);
    // The first bytes of a gzip stream, so that nobody compresses it: nobody looks further.
    const start = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    for (let at = 0; at < size; at += megabyte) {
      const chunk = cipher.update(Buffer.alloc(megabyte));
      if (at === 0) start.copy(chunk);
      hash.update(chunk);
      if (!file.write(chunk)) await once(file, "drain");
    }
    await finished(file.end());
    const digest = hash.digest("hex");
    await rename(path, join(blobs, digest));
    const mediaType = "application/vnd.oci.image.layer.v1.tar+gzip";
    descriptors.push({ mediaType, digest: `sha256:${digest}`, size });
  }
  const written = async (mediaType: string, document: object): Promise<object> => {
    const text = JSON.stringify(document);
    const digest = createHash("sha256").update(text).digest("hex");
    await writeFile(join(blobs, digest), text);
    return { mediaType, digest: `sha256:${digest}`, size: Buffer.byteLength(text) };
  };
  const diffIds = descriptors.map((_, at) => `sha256:${String(at).padStart(64, "0")}`);
  const config = await written("application/vnd.oci.image.config.v1+json", {
    ...{ architecture: "amd64", os: "linux", config: {} },
    rootfs: { type: "layers", diff_ids: diffIds },
  });
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = await written(mediaType, { schemaVersion: 2, mediaType, config, layers: descriptors });
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [manifest],
  };
  await writeFile(join(directory, "index.json"), JSON.stringify(index));
  await writeFile(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  return directory;
}
