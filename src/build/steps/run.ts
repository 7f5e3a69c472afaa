import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BlobSink, BlobSource, Platform } from "../../image/index.ts";
import {
  type Digest,
  digestHex,
  type Environment,
  makeDirectories,
  noProgress,
  runtimeDirectory,
  type SourceLocation,
  sha256,
  WhittleError,
} from "../../io/index.ts";
import { type Changes, treePath } from "../../tree/index.ts";
import { type Executor, type ExecutorContext, type Input, inputOf } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import { changesLeft } from "../run/left.ts";
import { layered } from "./layered-value.ts";
import { treeOfInput } from "./tree-value.ts";

/** Something that is shown to a command while it runs; `target` is absolute. */
export type RunMount =
  | {
      readonly type: "bind";
      readonly target: string;
      /** The input whose tree it shows a part of. */
      readonly input: string;
      readonly source: string;
      readonly readOnly: boolean;
    }
  | {
      readonly type: "cache";
      readonly target: string;
      readonly id: string;
      readonly sharing: "shared" | "private" | "locked";
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      readonly readOnly: boolean;
    }
  | { readonly type: "tmpfs"; readonly target: string; readonly size?: number }
  | {
      readonly type: "secret";
      readonly target?: string;
      readonly env?: string;
      readonly id: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

/** What a running step is told. */
export type RunParameters = {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly platform: Platform;
  readonly network: "default" | "none" | "host";
  readonly insecure: boolean;
  readonly mounts: readonly RunMount[];
  readonly extraHosts: readonly (readonly [string, string])[];
};

/** What a running step needs that must not change its key. */
export interface RunLocal {
  readonly environment: Environment;
  readonly cacheDirectory: string;
  /** `NAME=value` of proxies and their like. */
  readonly extraEnv: readonly string[];
  /** The bytes of a secret, or undefined when nobody gave it. */
  readonly secret: (id: string) => Promise<Uint8Array | undefined>;
  /** Where the instruction stands, for errors. */
  readonly at?: SourceLocation;
  /** The instruction as it is shown when it fails. */
  readonly shown: string;
}

/** A step that runs a command over the tree `lower`. */
export function runStep(
  lower: Step,
  mounted: Readonly<Record<string, Step>>,
  parameters: RunParameters,
  local: RunLocal,
  label?: string,
): Step {
  return {
    kind: "run",
    ...(label === undefined ? {} : { label }),
    parameters: parameters as unknown as Json,
    inputs: { lower, ...mounted },
    local,
  };
}

/** The layer that a run left, uncompressed, in the store. */
type RunRecord = { readonly tar: { readonly digest: Digest; readonly size: number } };

/** Its outcome is what the command changed, kept as a tar in the store. */
export function runExecutor(blobs: BlobSink & BlobSource): Executor {
  return {
    kind: "run",
    version: 1,
    cached: true,
    async run(step, inputs, context) {
      const { writeLayer } = await import("../../image/index.ts");
      const lower = inputOf(inputs, "lower");
      const running = new Running(step, inputs, context);
      try {
        const changes = await running.changes();
        const layer = await writeLayer(changes, blobs, {
          compression: { type: "none" },
          work: { progress: noProgress, signal: context.signal },
        });
        const { digest, size } = layer.descriptor;
        const record: RunRecord = { tar: { digest, size } };
        return {
          digest: sha256(`${lower.digest} ${digest}`),
          record: record as unknown as Json,
          blobs: [digest],
        };
      } finally {
        await running.close();
      }
    },
    async load(_step, outcome, inputs) {
      const { changesOfLayer, mediaTypes } = await import("../../image/index.ts");
      const { tar } = outcome.record as unknown as RunRecord;
      const content = await blobs.blob({ mediaType: mediaTypes.layer, ...tar });
      return layered(await treeOfInput(inputOf(inputs, "lower")), await changesOfLayer(content));
    },
  };
}

type SpecMount = import("../../sandbox/index.ts").SpecMount;

/** One command from its preparation to its end. */
class Running {
  readonly #parameters: RunParameters;
  readonly #local: RunLocal;
  readonly #inputs: Readonly<Record<string, Input>>;
  readonly #work: ExecutorContext;
  readonly #cleanups: (() => Promise<void>)[] = [];

  constructor(step: Step, inputs: Readonly<Record<string, Input>>, work: ExecutorContext) {
    this.#parameters = step.parameters as unknown as RunParameters;
    this.#local = step.local as RunLocal;
    this.#inputs = inputs;
    this.#work = work;
  }

  async changes(): Promise<Changes> {
    const { runBuildStep, snapshot } = await import("../../sandbox/index.ts");
    const { args, env, cwd, user, platform, network, insecure, extraHosts } = this.#parameters;
    const { environment, extraEnv } = this.#local;
    const lower = inputOf(this.#inputs, "lower");
    const files = await snapshot(lower.digest, () => treeOfInput(lower), this.#work, environment);
    const secrets: string[] = [];
    const mounts = await this.#mounts(secrets);
    const last = new LastLines();
    const result = await runBuildStep(
      files,
      {
        args,
        env: [...env, ...extraEnv, ...secrets],
        cwd,
        user,
        platform,
        network,
        insecure,
        extraHosts,
        mounts,
      },
      this.#work,
      environment,
      (chunk, stream) => {
        for (const line of last.take(chunk))
          this.#work.progress({ kind: "log", id: this.#work.key, line, stream });
      },
    );
    this.#cleanups.push(result.discard);
    if (result.failure !== undefined || result.status !== 0) throw this.#failed(result, last);
    const mounted = [...machinePaths, ...mounts.map((mount) => treePath(mount.destination))];
    return changesLeft(result.left, result.whole, await treeOfInput(lower), mounted);
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups) await cleanup();
  }

  #failed(result: { status: number; failure?: string }, last: LastLines): WhittleError {
    const { shown } = this.#local;
    const why = result.failure === undefined ? "" : `: ${result.failure}`;
    const lines = last.lines();
    return new WhittleError(
      "STEP_FAILED",
      `Cannot build: ${shown} did not complete successfully, exit status ${result.status}${why}` +
        (lines.length === 0 ? "" : `\n${lines.map((line) => `  | ${line}`).join("\n")}`),
      this.#local.at === undefined ? {} : { at: this.#local.at },
    );
  }

  async #mounts(secrets: string[]): Promise<SpecMount[]> {
    const mounts: SpecMount[] = [];
    for (const mount of this.#parameters.mounts) {
      if (mount.type === "tmpfs") {
        const size = mount.size === undefined ? [] : [`size=${mount.size}`];
        mounts.push({
          destination: mount.target,
          type: "tmpfs",
          source: "tmpfs",
          options: ["nosuid", ...size],
        });
      } else if (mount.type === "bind") mounts.push(await this.#bind(mount));
      else if (mount.type === "cache") mounts.push(await this.#cache(mount));
      else mounts.push(...(await this.#secret(mount, secrets)));
    }
    return mounts;
  }

  async #bind(mount: Extract<RunMount, { type: "bind" }>): Promise<SpecMount> {
    const { resolveInside, snapshot } = await import("../../sandbox/index.ts");
    const input = inputOf(this.#inputs, mount.input);
    const files = await snapshot(input.digest, () => treeOfInput(input), this.#work, this.#local.environment);
    const source = await resolveInside(files.rootfs, mount.source);
    if (source === undefined) {
      throw new WhittleError("NOT_FOUND", `Cannot mount ${mount.source} at ${mount.target}: it is not there`);
    }
    if (mount.readOnly) return shown(source, mount.target, "ro");
    const copy = await this.#scratchDirectory();
    const { cp } = await import("node:fs/promises");
    await cp(source, join(copy, "files"), { recursive: true, verbatimSymlinks: true });
    return shown(join(copy, "files"), mount.target, "rw");
  }

  async #cache(mount: Extract<RunMount, { type: "cache" }>): Promise<SpecMount> {
    const { chown, chmod } = await import("node:fs/promises");
    const name = digestHex(sha256(mount.id)).slice(0, 32);
    const directory =
      mount.sharing === "private"
        ? join(await this.#scratchDirectory(), "cache")
        : join(this.#local.cacheDirectory, "mounts", name);
    await makeDirectories(join(directory, ".."));
    const made = await mkdir(directory).then(
      () => true,
      () => false,
    );
    if (made) {
      await chmod(directory, mount.mode);
      if (mount.uid !== 0 || mount.gid !== 0)
        await chown(directory, mount.uid, mount.gid).catch(() => undefined);
    }
    return shown(directory, mount.target, mount.readOnly ? "ro" : "rw");
  }

  async #secret(mount: Extract<RunMount, { type: "secret" }>, secrets: string[]): Promise<SpecMount[]> {
    const bytes = await this.#local.secret(mount.id);
    if (bytes === undefined) {
      if (!mount.required) return [];
      throw new WhittleError(
        "NOT_FOUND",
        `Cannot run ${this.#local.shown}: the secret ${mount.id} was not given`,
        {
          hint: `--secret id=${mount.id},src=FILE`,
        },
      );
    }
    if (mount.env !== undefined) secrets.push(`${mount.env}=${Buffer.from(bytes).toString("utf8")}`);
    if (mount.target === undefined) return [];
    const directory = join(
      runtimeDirectory(this.#local.environment),
      `secret-${randomBytes(8).toString("hex")}`,
    );
    await mkdir(directory, { recursive: true, mode: 0o755 });
    this.#cleanups.push(() => rm(directory, { recursive: true, force: true }));
    const file = join(directory, "secret");
    await writeFile(file, bytes, { mode: mount.mode });
    const { chown, chmod } = await import("node:fs/promises");
    await chmod(file, mount.mode);
    if (mount.uid !== 0 || mount.gid !== 0) await chown(file, mount.uid, mount.gid).catch(() => undefined);
    return [shown(file, mount.target, "ro")];
  }

  async #scratchDirectory(): Promise<string> {
    const directory = join(this.#local.cacheDirectory, "steps", `mount-${randomBytes(8).toString("hex")}`);
    await makeDirectories(directory);
    this.#cleanups.push(() => rm(directory, { recursive: true, force: true }));
    return directory;
  }
}

/** Places that every container has something mounted at. */
const machinePaths = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev", "/proc", "/sys"];

function shown(source: string, destination: string, access: "ro" | "rw"): SpecMount {
  return { destination, type: "bind", source, options: ["rbind", "rprivate", access] };
}

const mostLines = 20;

/** Splits output into lines and keeps the last ones. */
class LastLines {
  #rest = "";
  readonly #last: string[] = [];

  take(chunk: Buffer): string[] {
    const lines = (this.#rest + chunk.toString("utf8")).split("\n");
    this.#rest = lines.pop() ?? "";
    this.#last.push(...lines);
    this.#last.splice(0, Math.max(0, this.#last.length - mostLines));
    return lines;
  }

  lines(): readonly string[] {
    return this.#rest === "" ? this.#last : [...this.#last, this.#rest];
  }
}
