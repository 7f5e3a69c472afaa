import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { hostPlatform, type ImageConfig, openImage, platformsOf, writeImage } from "../../src/image/index.ts";
import { decompress, fileContent, WhittleError } from "../../src/io/index.ts";
import { buildDockerfile } from "../../src/project/index.ts";
import { openStore, type Store } from "../../src/store/index.ts";
import { readTar } from "../../src/tar/index.ts";

/** A layer's member as the recordings name its parts. */
export interface RecordedEntry {
  readonly n: string;
  readonly t: string;
  readonly m: string;
  readonly u: number;
  readonly g: number;
  readonly s?: number;
  readonly l?: string;
  readonly h?: string;
  readonly x?: Readonly<Record<string, string>>;
}

/** What BuildKit made of a case. */
export interface Golden {
  readonly rc: number;
  readonly error?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly history?: readonly {
    readonly created_by?: string;
    readonly comment?: string;
    readonly empty_layer?: boolean;
  }[];
  readonly layers?: readonly { readonly base: boolean; readonly entries: readonly RecordedEntry[] }[];
}

/** How a build compares: every line is one difference. */
export interface Outcome {
  readonly differences: readonly string[];
}

/** What every base image of the cases is called in the store. */
export const baseName = "conformance-base:latest";

/** Builds cases in a store of its own. */
export class Conformance {
  readonly #store: Store;
  readonly #directory: string;

  private constructor(store: Store, directory: string) {
    this.#store = store;
    this.#directory = directory;
  }

  /** @param base - tar of the root file system that every base image stands for */
  static async open(directory: string, base: string): Promise<Conformance> {
    await mkdir(directory, { recursive: true });
    const store = await openStore(join(directory, "store"), { create: true });
    const content = fileContent(base, statSync(base).size);
    const layer = await store.add(content.open());
    const descriptor = await writeImage(store, {
      platform: hostPlatform(),
      config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], Cmd: ["sh"] },
      layers: [
        {
          descriptor: { mediaType: "application/vnd.oci.image.layer.v1.tar", ...layer },
          diffId: layer.digest,
        },
      ],
      history: [{ comment: "Imported from -" }],
    });
    await store.tag(baseName, descriptor);
    return new Conformance(anyName(store), directory);
  }

  /** Builds a case and compares it with its recording. */
  async build(directory: string, golden: Golden): Promise<Outcome> {
    const recorded = JSON.parse(readFileSync(join(directory, "case.json"), "utf8")) as {
      dockerfile: string;
      args: string[];
    };
    try {
      const flags = readArguments(recorded.args);
      const built = await buildDockerfile({
        store: this.#store,
        environment: { ...process.env, XDG_CACHE_HOME: join(this.#directory, "cache") },
        context: join(directory, "context"),
        file: resolve(directory, recorded.dockerfile),
        name: "case",
        network: "none",
        progress: () => undefined,
        signal: new AbortController().signal,
        ...flags,
      });
      if (golden.rc !== 0) return { differences: [`built, BuildKit says: ${golden.error}`] };
      const [first] = await platformsOf(this.#store, built.descriptor);
      if (first === undefined) return { differences: ["no platform was built"] };
      const image = await openImage(this.#store, first.descriptor);
      const text = readFileSync(resolve(directory, recorded.dockerfile), "utf8");
      // What a build takes from chance or the clock was something else when it was recorded.
      const contents = !/\/dev\/u?random|\bdate\b/.test(text);
      return { differences: await this.#compare(await image.config(), image, golden, contents) };
    } catch (error) {
      // A defect of ours is no answer, even where BuildKit fails.
      if (golden.rc !== 0 && error instanceof WhittleError && error.code !== "INTERNAL")
        return { differences: [] };
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return { differences: text.split("\n").slice(0, 8) };
    }
  }

  async #compare(
    config: ImageConfig,
    image: Awaited<ReturnType<typeof openImage>>,
    golden: Golden,
    contents: boolean,
  ): Promise<string[]> {
    const differences: string[] = [];
    compare("config", sorted(config.config ?? {}), sorted(golden.config ?? {}), differences);
    const history = (config.history ?? []).map(({ created: _created, ...line }) => sorted(line));
    const expected = (golden.history ?? []).map((line) => sorted(ours(line)));
    for (let i = 0; i < Math.max(history.length, expected.length); i++) {
      compare(`history ${i}`, history[i], expected[i], differences);
    }
    const layers = await image.layers();
    const goldenLayers = golden.layers ?? [];
    if (layers.length !== goldenLayers.length) {
      differences.push(`${layers.length} layers instead of ${goldenLayers.length}`);
    }
    for (const [index, layer] of goldenLayers.entries()) {
      const own = layers[index];
      if (layer.base || own === undefined) continue;
      const blob = await this.#store.blob(own.descriptor);
      const seen = (entries: readonly RecordedEntry[]): RecordedEntry[] =>
        contents ? [...entries] : entries.map(({ h: _content, ...entry }) => entry);
      compareEntries(index, seen(await entriesOf(blob)), seen(layer.entries), differences);
    }
    return differences;
  }
}

/** A store in which every name that is not known is the base. */
function anyName(store: Store): Store {
  return new Proxy(store, {
    get(target, property) {
      if (property === "resolve") {
        return async () => target.resolve(baseName);
      }
      const value = Reflect.get(target, property, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** What the suites' own runners set. */
const suiteEnvironment: Readonly<Record<string, string>> = { SSH_PRIVATE_KEY: "ThEPriv4t3Key" };

function readArguments(args: readonly string[]) {
  const buildArguments = new Map<string, string>();
  const labels: Record<string, string> = {};
  const extraHosts: (readonly [string, string])[] = [];
  let target: string | undefined;
  let platforms: string[] | undefined;
  let noCache = false;
  for (let i = 0; i < args.length; i++) {
    const [flag = "", inline] = (args[i] ?? "").split(/=(.*)/s);
    if (flag === "--no-cache" || flag === "--force-rm" || flag === "--network" || flag === "--cache-from") {
      noCache ||= flag === "--no-cache";
      continue;
    }
    // buildx with plain progress, as the recordings were made, refuses to be quiet.
    if (flag === "-q") throw new WhittleError("USAGE", "Cannot be quiet and show plain progress");
    const value = inline ?? args[++i] ?? "";
    const [name = "", text] = value.split(/=(.*)/s);
    if (flag === "--build-arg") {
      const given = text ?? suiteEnvironment[name];
      if (given !== undefined) buildArguments.set(name, given);
    } else if (flag === "--label") labels[name] = text ?? "";
    else if (flag === "--target") target = value;
    else if (flag === "--platform") platforms = value.split(",");
    else if (flag === "--add-host") {
      const [host = "", address = ""] = value.split(/:(.*)/s);
      extraHosts.push([host, address]);
    }
  }
  return {
    buildArguments,
    labels,
    extraHosts,
    noCache,
    ...(target === undefined ? {} : { target }),
    ...(platforms === undefined ? {} : { platforms }),
  };
}

/** A recorded history line with our name where BuildKit writes its own. */
function ours(line: { readonly created_by?: string; readonly comment?: string }): object {
  return {
    ...line,
    ...(line.created_by === undefined
      ? {}
      : { created_by: line.created_by.replace(/# buildkit$/, "# whittle") }),
    ...(line.comment === undefined
      ? {}
      : { comment: line.comment.replace("buildkit.dockerfile.v0", "whittle.dockerfile.v0") }),
  };
}

async function entriesOf(blob: Awaited<ReturnType<Store["blob"]>>): Promise<RecordedEntry[]> {
  const entries: RecordedEntry[] = [];
  const types = {
    file: "0",
    hardlink: "1",
    symlink: "2",
    character: "3",
    block: "4",
    directory: "5",
    fifo: "6",
  };
  for await (const member of readTar(decompress(blob.open()))) {
    const hash = createHash("sha256");
    for await (const chunk of member.body) hash.update(chunk);
    const xattrs = Object.fromEntries(
      [...(member.xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value).toString("latin1")]),
    );
    entries.push({
      n: member.name.replace(/^\.?\//, "").replace(/\/$/, ""),
      t: types[member.type],
      m: `0o${member.mode.toString(8)}`,
      u: member.uid,
      g: member.gid,
      ...(member.type === "file" ? { s: member.size, h: hash.digest("hex").slice(0, 16) } : {}),
      ...(member.linkName === ""
        ? {}
        : { l: member.linkName.replace(member.type === "hardlink" ? /^\.?\// : /^$/, "") }),
      ...(Object.keys(xattrs).length === 0 ? {} : { x: xattrs }),
    });
  }
  return entries;
}

function compareEntries(
  index: number,
  own: readonly RecordedEntry[],
  golden: readonly RecordedEntry[],
  differences: string[],
): void {
  const ownByName = new Map(own.map((entry) => [entry.n, entry]));
  const goldenByName = new Map(golden.map((entry) => [entry.n, entry]));
  for (const name of new Set([...ownByName.keys(), ...goldenByName.keys()])) {
    compare(
      `layer ${index} ${name}`,
      sorted(ownByName.get(name)),
      sorted(goldenByName.get(name)),
      differences,
    );
  }
}

function compare(what: string, own: unknown, golden: unknown, differences: string[]): void {
  const [left, right] = [JSON.stringify(own), JSON.stringify(golden)];
  if (left !== right) differences.push(`${what}: ${left ?? "absent"} instead of ${right ?? "absent"}`);
}

function sorted(value: unknown): unknown {
  if (value === undefined) return undefined;
  return JSON.parse(
    JSON.stringify(value, (_key, member: unknown) =>
      member !== null && typeof member === "object" && !Array.isArray(member)
        ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
        : member,
    ),
  );
}
