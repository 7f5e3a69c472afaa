import { randomBytes } from "node:crypto";
import { chmod, chown, cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  digestHex,
  makeDirectories,
  runtimeDirectory,
  sha256,
  WhittleError,
  type Work,
} from "../../io/index.ts";
import { resolveInside, type SpecMount, snapshot } from "../../sandbox/index.ts";
import { type Input, inputOf } from "../executor.ts";
import { treeOfInput } from "../steps/tree-value.ts";
import type { RunLocal, RunMount } from "./parameters.ts";

/** What a command sees of its mounts. */
export interface MountedThings {
  readonly mounts: readonly SpecMount[];
  /** `NAME=value` of secrets that are wanted as variables. */
  readonly variables: readonly string[];
}

/** Makes ready what is mounted into one command, and tidies up after it. */
export class RunMounts {
  readonly #local: RunLocal;
  readonly #inputs: Readonly<Record<string, Input>>;
  readonly #work: Work;
  readonly #cleanups: (() => Promise<void>)[] = [];

  constructor(local: RunLocal, inputs: Readonly<Record<string, Input>>, work: Work) {
    this.#local = local;
    this.#inputs = inputs;
    this.#work = work;
  }

  /** @throws WhittleError `NOT_FOUND` when something that is to be shown is not there */
  async prepare(wanted: readonly RunMount[]): Promise<MountedThings> {
    const mounts: SpecMount[] = [];
    const variables: string[] = [];
    for (const mount of wanted) {
      if (mount.type === "tmpfs") mounts.push(tmpfs(mount));
      else if (mount.type === "bind") mounts.push(await this.#bind(mount));
      else if (mount.type === "cache") mounts.push(await this.#cache(mount));
      else mounts.push(...(await this.#secret(mount, variables)));
    }
    return { mounts, variables };
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0)) await cleanup();
  }

  async #bind(mount: Extract<RunMount, { type: "bind" }>): Promise<SpecMount> {
    const input = inputOf(this.#inputs, mount.input);
    const files = await snapshot(input.digest, () => treeOfInput(input), this.#work, this.#local.environment);
    const source = await resolveInside(files.rootfs, mount.source);
    if (source === undefined) {
      throw new WhittleError("NOT_FOUND", `Cannot mount ${mount.source} at ${mount.target}: it is not there`);
    }
    if (mount.readOnly) return shown(source, mount.target, "ro");
    const copy = await this.#scratchDirectory();
    await cp(source, join(copy, "files"), { recursive: true, verbatimSymlinks: true });
    return shown(join(copy, "files"), mount.target, "rw");
  }

  async #cache(mount: Extract<RunMount, { type: "cache" }>): Promise<SpecMount> {
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

function tmpfs({ target, size }: Extract<RunMount, { type: "tmpfs" }>): SpecMount {
  const options = ["nosuid", ...(size === undefined ? [] : [`size=${size}`])];
  return { destination: target, type: "tmpfs", source: "tmpfs", options };
}

function shown(source: string, destination: string, access: "ro" | "rw"): SpecMount {
  return { destination, type: "bind", source, options: ["rbind", "rprivate", access] };
}
