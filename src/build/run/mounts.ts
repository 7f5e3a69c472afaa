import { join } from "node:path";
import { digestOfJson, WhittleError, type Work } from "../../io/index.ts";
import {
  type HeldCache,
  holdCache,
  type SpecMount,
  type StepSecret,
  scratchCopy,
  shareAgent,
  snapshot,
} from "../../sandbox/index.ts";
import { Tree, treeOf } from "../../tree/index.ts";
import { type Input, inputOf } from "../executor.ts";
import { treeOfInput } from "../steps/tree-value.ts";
import type { RunLocal, RunMount } from "./parameters.ts";

/** What a command sees of its mounts. */
export interface MountedThings {
  readonly mounts: readonly SpecMount[];
  readonly secrets: readonly StepSecret[];
  /** `NAME=value` that nothing else has said. */
  readonly variables: readonly string[];
}

type Mount<Type extends RunMount["type"]> = Extract<RunMount, { type: Type }>;

/** Makes ready what is mounted into one command, and tidies up after it. */
export class RunMounts {
  readonly #local: RunLocal;
  readonly #inputs: Readonly<Record<string, Input>>;
  readonly #work: Work;
  readonly #cleanups: (() => Promise<void>)[] = [];
  readonly #caches = new Map<string, Promise<HeldCache>>();

  constructor(local: RunLocal, inputs: Readonly<Record<string, Input>>, work: Work) {
    this.#local = local;
    this.#inputs = inputs;
    this.#work = work;
  }

  /** @throws WhittleError `NOT_FOUND` when something that is to be shown is not there */
  async prepare(wanted: readonly RunMount[]): Promise<MountedThings> {
    const mounts: SpecMount[] = [];
    const secrets: StepSecret[] = [];
    const variables: string[] = [];
    // Everybody takes caches into use in the same order, so that no two steps wait for each other.
    const caches = wanted.filter((mount) => mount.type === "cache");
    for (const mount of caches.sort((a, b) => (a.id < b.id ? -1 : 1))) await this.#heldCache(mount);
    for (const mount of wanted) {
      if (mount.type === "tmpfs") mounts.push(tmpfs(mount));
      else if (mount.type === "bind") mounts.push(await this.#bind(mount));
      else if (mount.type === "cache") mounts.push(await this.#cache(mount));
      else if (mount.type === "secret") secrets.push(...(await this.#secret(mount)));
      else {
        if (variables.length === 0) variables.push(`SSH_AUTH_SOCK=${mount.target}`);
        mounts.push(...(await this.#ssh(mount)));
      }
    }
    // What is mounted further down comes later, in whatever order it was asked for.
    mounts.sort((a, b) => (a.destination < b.destination ? -1 : 1));
    return { mounts, secrets, variables };
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0)) await cleanup();
  }

  async #bind(mount: Mount<"bind">): Promise<SpecMount> {
    const { tree, path } = await this.#part(mount.input, mount.source, mount.target);
    const input = inputOf(this.#inputs, mount.input);
    // Only what is shown is made real on disk.
    const key = digestOfJson({ part: path, of: input.digest });
    const { rootfs } = await snapshot(key, async () => tree, this.#work, this.#local.environment);
    const source = join(rootfs, filesPath);
    if (mount.readOnly) return shown(source, mount.target, "ro");
    const copy = await scratchCopy(source, this.#local.environment);
    this.#cleanups.push(() => copy.discard());
    return shown(copy.path, mount.target, "rw");
  }

  /** What a path leads to as the only thing in a tree, with its own attributes. */
  async #part(
    input: string,
    source: string,
    target: string,
  ): Promise<{ readonly tree: Tree; readonly path: string }> {
    const whole = await treeOfInput(inputOf(this.#inputs, input));
    const { path, entry } = whole.resolve(source);
    if (entry === undefined) {
      throw this.#error("NOT_FOUND", `Cannot mount ${source} at ${target}: it is not there`);
    }
    const tree =
      entry.type === "directory"
        ? Tree.empty.place(whole.below(path), filesPath)
        : treeOf([[filesPath, entry]]);
    return { tree, path };
  }

  async #cache(mount: Mount<"cache">): Promise<SpecMount> {
    const { path } = await this.#heldCache(mount);
    return shown(path, mount.target, mount.readOnly ? "ro" : "rw");
  }

  /** One that is mounted twice into the same command is the same. */
  #heldCache(mount: Mount<"cache">): Promise<HeldCache> {
    const { id, input, source = "/" } = mount;
    const known = digestOfJson({ id, input, source });
    let held = this.#caches.get(known);
    if (held === undefined) {
      held = this.#holdCache(mount);
      this.#caches.set(known, held);
    }
    return held;
  }

  async #holdCache(mount: Mount<"cache">): Promise<HeldCache> {
    const { id, input, source = "/", target } = mount;
    const initial =
      input === undefined
        ? {}
        : {
            initial: {
              key: digestOfJson({ part: source, of: inputOf(this.#inputs, input).digest }),
              tree: async () => (await this.#part(input, source, target)).tree,
            },
          };
    const { environment } = this.#local;
    const cache = await holdCache({ ...mount, id, ...initial }, this.#work, environment);
    this.#cleanups.push(() => cache.release());
    return cache;
  }

  async #secret({ id, required, ...mount }: Mount<"secret">): Promise<StepSecret[]> {
    const bytes = await this.#local.secret(id);
    if (bytes !== undefined) {
      // An environment is made of strings that end with such a byte (environ(7)).
      if (mount.env === undefined || !bytes.includes(0)) return [{ ...mount, bytes }];
      throw this.#error(
        "USAGE",
        `Cannot run ${this.#local.shown}: the secret ${id} is no text for ${mount.env}`,
      );
    }
    if (!required) {
      // A variable is there all the same, with nothing in it, as in BuildKit.
      const { target: _file, ...variable } = mount;
      return mount.env === undefined ? [] : [{ ...variable, bytes: new Uint8Array() }];
    }
    throw this.#error(
      "NOT_FOUND",
      `Cannot run ${this.#local.shown}: the secret ${id} was not given`,
      `--secret id=${id},src=FILE`,
    );
  }

  async #ssh({ id, required, target, ...owner }: Mount<"ssh">): Promise<SpecMount[]> {
    const agent = await this.#local.agent?.(id);
    if (agent === undefined) {
      if (!required) return [];
      throw this.#error(
        "NOT_FOUND",
        `Cannot run ${this.#local.shown}: no ssh agent was given as ${id}`,
        `--ssh ${id}${id === "default" ? "" : "=SOCKET-OR-KEY"}`,
      );
    }
    const socket = await shareAgent(agent, owner, this.#local.environment);
    this.#cleanups.push(() => socket.close());
    return [shown(socket.path, target, "rw")];
  }

  #error(code: "NOT_FOUND" | "USAGE", message: string, hint?: string): WhittleError {
    const { at } = this.#local;
    return new WhittleError(code, message, {
      ...(hint === undefined ? {} : { hint }),
      ...(at === undefined ? {} : { at }),
    });
  }
}

/** Where {@link RunMounts} puts what is shown. */
const filesPath = "/files";

function tmpfs({ target, size }: Mount<"tmpfs">): SpecMount {
  const options = ["nosuid", ...(size === undefined ? [] : [`size=${size}`])];
  return { destination: target, type: "tmpfs", source: "tmpfs", options };
}

function shown(source: string, destination: string, access: "ro" | "rw"): SpecMount {
  return { destination, type: "bind", source, options: ["rbind", "rprivate", access] };
}
