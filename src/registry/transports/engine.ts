import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type BlobSource,
  type Descriptor,
  formatReference,
  hostPlatform,
  type NameReference,
  type PathReference,
} from "../../image/index.ts";
import { type Environment, isSystemError, WhittleError, type Work } from "../../io/index.ts";
import {
  chosenPart,
  type OpenedImage,
  type ReadOptions,
  readFrom,
  type WriteOptions,
  writeTo,
} from "../../store/index.ts";

/** A container engine that keeps images of its own and hands them over as archives, by a program. */
interface Engine {
  readonly program: string;
  /** What the archive is. */
  readonly form: "docker-archive" | "oci-archive";
  save(name: string, archive: string): readonly string[];
  /** The same where the engine has not all platforms of an image; the one of this machine is taken then. */
  savePart?(name: string, archive: string): readonly string[];
  load(archive: string, name: string): readonly string[];
}

const engines: Readonly<Record<string, Engine>> = {
  "docker-daemon": {
    ...{ program: "docker", form: "docker-archive" },
    save: (name, archive) => ["save", "--output", archive, name],
    load: (archive) => ["load", "--quiet", "--input", archive],
  },
  // What podman, buildah and CRI-O share; skopeo is what reads and writes it without changing a digest.
  "containers-storage": {
    ...{ program: "skopeo", form: "oci-archive" },
    save: (name, archive) => ["copy", "--quiet", `containers-storage:${name}`, `oci-archive:${archive}`],
    load: (archive, name) => ["copy", "--quiet", `oci-archive:${archive}`, `containers-storage:${name}`],
  },
  // Which containerd, and which namespace of it: CONTAINERD_ADDRESS and CONTAINERD_NAMESPACE say.
  containerd: {
    ...{ program: "ctr", form: "oci-archive" },
    save: (name, archive) => ["images", "export", "--all-platforms", archive, name],
    savePart: (name, archive) => ["images", "export", archive, name],
    load: (archive) => ["images", "import", "--local", "--all-platforms", "--no-unpack", archive],
  },
};

/** Whether a reference names an image that a container engine keeps. */
export function isEngineReference(reference: NameReference): boolean {
  return reference.transport in engines;
}

/**
 * Opens an image of a container engine; its archive is in a temporary directory until the image is closed.
 *
 * @throws WhittleError `ENVIRONMENT` when the engine's program is missing or fails
 */
export async function openFromEngine(
  reference: NameReference,
  work: Work,
  options: ReadOptions & { readonly environment: Environment },
): Promise<OpenedImage> {
  const engine = engineOf(reference);
  const directory = await mkdtemp(join(tmpdir(), "whittle-engine-"));
  const gone = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    const archive = join(directory, "image.tar");
    const doing = `read ${formatReference(reference)}`;
    const name = fullName(reference);
    const whole = await run(engine, engine.save(name, archive), doing, work, options).then(
      () => true,
      async (error: unknown) => {
        if (engine.savePart === undefined || work.signal.aborted) throw error;
        await rm(archive, { force: true });
        await run(engine, engine.savePart(name, archive), doing, work, options);
        return false;
      },
    );
    const opened = await readFrom({ transport: engine.form, path: archive }, work, options);
    const part = whole ? {} : { platform: options.platform ?? hostPlatform() };
    const descriptor = await chosenPart(opened.source, opened.descriptor, part);
    return { ...opened, descriptor, close: () => opened.close().finally(gone) };
  } catch (error) {
    await gone();
    throw error;
  }
}

/**
 * Gives an image to a container engine.
 *
 * @throws WhittleError `ENVIRONMENT` when the engine's program is missing or fails
 */
export async function writeToEngine(
  reference: NameReference,
  source: BlobSource,
  descriptor: Descriptor,
  work: Work,
  options: WriteOptions & { readonly environment: Environment },
): Promise<void> {
  const engine = engineOf(reference);
  const directory = await mkdtemp(join(tmpdir(), "whittle-engine-"));
  try {
    const name = fullName(reference);
    const archive: PathReference = { transport: engine.form, path: join(directory, "image.tar") };
    await writeTo(archive, source, descriptor, work, { ...options, names: [name] });
    await run(engine, engine.load(archive.path, name), `write ${formatReference(reference)}`, work, options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function engineOf({ transport }: NameReference): Engine {
  const engine = engines[transport];
  if (engine === undefined) throw new Error(`${transport} is no container engine`);
  return engine;
}

function fullName({ registry, repository, tag, digest }: NameReference): string {
  return digest === undefined
    ? `${registry}/${repository}:${tag ?? "latest"}`
    : `${registry}/${repository}@${digest}`;
}

async function run(
  { program }: Engine,
  words: readonly string[],
  doing: string,
  { signal }: Work,
  { environment }: { readonly environment: Environment },
): Promise<void> {
  const env = environment as NodeJS.ProcessEnv;
  const child = spawn(program, words, { env, signal, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = `${said}${chunk.toString("utf8")}`.slice(-4000);
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    const missing = isSystemError(error) && error.code === "ENOENT";
    throw new WhittleError(
      "ENVIRONMENT",
      `Cannot ${doing}: ${missing ? `${program} is not on the PATH` : String(error)}`,
      {
        hint: `install ${program}, or copy by way of docker-archive:FILE or oci-archive:FILE`,
      },
    );
  });
  signal.throwIfAborted();
  if (status === 0) return;
  const found = lastWords(said) || `status ${status}`;
  throw new WhittleError("ENVIRONMENT", `Cannot ${doing}: ${program} says "${found}"`);
}

/** What a program failed of: the last line, and of what skopeo writes only the message in it. */
function lastWords(said: string): string {
  const last = said.trim().split("\n").at(-1) ?? "";
  const message = /\bmsg="((?:[^"\\]|\\.)*)"/.exec(last)?.[1]?.replace(/\\(.)/g, "$1");
  return (message ?? last).replace(/\[[a-z0-9]+@\/[^\]]*\]/g, "").slice(-500);
}
