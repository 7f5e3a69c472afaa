import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { openImage, platformsOf } from "../../src/image/index.ts";
import { WhittleError } from "../../src/io/index.ts";
import { buildDockerfile } from "../../src/project/index.ts";
import { openStore, type Store } from "../../src/store/index.ts";
import { addBase } from "./base.ts";
import { entriesOf, imageDifferences, type RecordedImage } from "./recording.ts";

/** What BuildKit made of a case. */
export interface Golden extends RecordedImage {
  readonly rc: number;
  readonly error?: string;
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
    await addBase(store, base, baseName);
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
      const layers = (await image.layers()).map(
        ({ descriptor }) =>
          async () =>
            entriesOf(await this.#store.blob(descriptor)),
      );
      return {
        differences: await imageDifferences({ config: await image.config(), layers }, golden, contents),
      };
    } catch (error) {
      // A defect of ours is no answer, even where BuildKit fails.
      if (golden.rc !== 0 && error instanceof WhittleError && error.code !== "INTERNAL")
        return { differences: [] };
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return { differences: text.split("\n").slice(0, 8) };
    }
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
