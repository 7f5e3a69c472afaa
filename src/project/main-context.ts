import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import {
  archiveTreeStep,
  contextStep,
  type HttpRecord,
  httpStep,
  type Solver,
  type Step,
  scratchStep,
  startsAsTar,
  type TreeValue,
} from "../build/index.ts";
import { parseGitReference } from "../dockerfile/index.ts";
import {
  bytesContent,
  type Content,
  compressedForm,
  type Digest,
  explainSystemError,
  nearest,
  readContent,
  WhittleError,
} from "../io/index.ts";
import type { Tree } from "../tree/index.ts";
import type { DockerfileOptions } from "./dockerfile-options.ts";
import { fetching } from "./fetching.ts";
import { gitContext } from "./git-context.ts";
import { ignoredContext } from "./ignored-context.ts";

/** The Dockerfile of a build and what its COPY instructions read. */
export interface MainContext {
  readonly step: Step;
  readonly hidden?: (path: string) => string | undefined;
  readonly leftOut?: (path: string) => boolean;
  readonly dockerfile: { readonly text: string; readonly name: string };
}

/** Bytes that a Dockerfile may have. */
const mostBytes = 4 * 1024 * 1024;

/**
 * Finds the context and the Dockerfile, wherever they are. What is no directory of this machine is fetched; as in
 * BuildKit, no `.dockerignore` counts there.
 *
 * @throws WhittleError `NOT_FOUND`, `NETWORK`, `ARCHIVE_HOSTILE` and `ARCHIVE_CORRUPT` for a tar, `USAGE`
 */
export async function openMainContext(
  options: DockerfileOptions,
  solver: Solver,
  cacheDirectory: string,
): Promise<MainContext> {
  const { context, file } = options;
  if (context === "-") {
    if (file === "-") throw usage("-f - and the context - both want standard input, one of them is wanted");
    return fromBytes(await storedInput(options), options, solver, "standard input");
  }
  const git = parseGitReference(context);
  if (git !== undefined && !(git.looksLocal === true && isAbsolute(context))) {
    const step = gitContext(git, options, "context");
    return { step, dockerfile: await remoteDockerfile(step, options, solver) };
  }
  if (/^https?:\/\//i.test(context)) {
    const step = httpStep(
      { url: context, name: "context", mtime: 0 },
      fetching(options),
      "[internal] fetch context",
    );
    const { digest, size } = (await solver.solve(step)).record as unknown as HttpRecord;
    return fromBytes({ digest, size }, options, solver, context, step);
  }
  const outside = file === "-" || (file !== undefined && isAddress(file));
  const local = outside || file === undefined ? join(context, "Dockerfile") : file;
  const beside = outside ? [] : [`${local}.dockerignore`];
  const { filtered, hidden, leftOut } = await ignoredContext(context, beside, cacheDirectory);
  return {
    step: contextStep("context", filtered),
    ...(hidden === undefined ? {} : { hidden }),
    ...(leftOut === undefined ? {} : { leftOut }),
    dockerfile: await localDockerfile(local, options, solver),
  };
}

type Stored = { readonly digest: Digest; readonly size: number };

/** An archive is a context, anything else the Dockerfile itself. */
async function fromBytes(
  stored: Stored,
  options: DockerfileOptions,
  solver: Solver,
  where: string,
  fetched?: Step,
): Promise<MainContext> {
  const content = await options.store.blob({ mediaType: "application/octet-stream", ...stored });
  if (await isArchive(content)) {
    const step = archiveTreeStep(stored, "[internal] unpack the context");
    return { step, dockerfile: await remoteDockerfile(step, options, solver) };
  }
  if (options.file !== undefined && fetched === undefined) {
    throw usage("standard input is a Dockerfile, and -f names another one");
  }
  return {
    step: fetched ?? scratchStep,
    dockerfile: { text: await textOf(content, where), name: "Dockerfile" },
  };
}

async function isArchive(content: Content): Promise<boolean> {
  const form = compressedForm(await readContent(content, { start: 0, end: 16 }));
  return form !== "plain" || startsAsTar(content);
}

/** The Dockerfile of a build whose context is a directory: a file, standard input, or what an address leads to. */
async function localDockerfile(
  path: string,
  options: DockerfileOptions,
  solver: Solver,
): Promise<MainContext["dockerfile"]> {
  const apart = await dockerfileApart(options, solver);
  if (apart !== undefined) return apart;
  const bytes = await readFile(path).catch(async (error: unknown) => {
    const lower = join(dirname(path), "dockerfile");
    const other = basename(path) === "Dockerfile" ? await readFile(lower).catch(() => undefined) : undefined;
    if (other !== undefined) return other;
    throw await missingFile(error, path);
  });
  return { text: await textOf(bytesContent(bytes), path), name: path };
}

/** The same of a context from elsewhere: `file` is a path inside it, unless it is absolute. */
async function remoteDockerfile(
  step: Step,
  options: DockerfileOptions,
  solver: Solver,
): Promise<MainContext["dockerfile"]> {
  const apart = await dockerfileApart(options, solver);
  if (apart !== undefined) return apart;
  const { file = "Dockerfile" } = options;
  if (isAbsolute(file)) return localDockerfile(file, options, solver);
  const solved = await solver.solve(step);
  const { tree } = await solved.value<TreeValue>();
  const paths = file === "Dockerfile" ? [file, "dockerfile"] : [file];
  for (const path of paths) {
    const { entry } = tree.resolve(`/${path}`);
    if (entry?.type === "file") return { text: await textOf(entry.content, path), name: path };
  }
  throw new WhittleError("NOT_FOUND", `Cannot build: the context has no ${file}`, hintOf(tree, file));
}

async function dockerfileApart(
  options: DockerfileOptions,
  solver: Solver,
): Promise<MainContext["dockerfile"] | undefined> {
  const { file, store } = options;
  if (file === "-") {
    const stored = await storedInput(options);
    const content = await store.blob({ mediaType: "text/plain", ...stored });
    return { text: await textOf(content, "standard input"), name: "Dockerfile" };
  }
  if (file === undefined || !isAddress(file)) return undefined;
  const step = httpStep(
    { url: file, name: "Dockerfile", mtime: 0 },
    fetching(options),
    "[internal] fetch Dockerfile",
  );
  const stored = (await solver.solve(step)).record as unknown as HttpRecord;
  const content = await store.blob({ mediaType: "text/plain", digest: stored.digest, size: stored.size });
  return { text: await textOf(content, file), name: "Dockerfile" };
}

function isAddress(file: string): boolean {
  return /^https?:\/\//i.test(file);
}

/** Kept in the store like anything else that came from outside; nothing names it, so it goes with the rest. */
async function storedInput({ input, store }: DockerfileOptions): Promise<Stored> {
  if (input === undefined) throw usage("there is no standard input to read");
  const stored = await store.add(input());
  if (stored.size > 0) return stored;
  throw usage("standard input is empty, a tar or a Dockerfile is wanted");
}

async function textOf(content: Content, name: string): Promise<string> {
  if (content.size <= mostBytes) return (await readContent(content)).toString("utf8");
  throw new WhittleError(
    "DOCKERFILE_INVALID",
    `Cannot build from ${name}: it has ${content.size} bytes, at most ${mostBytes} are wanted`,
  );
}

/** The error for a Dockerfile that is not there, with what is there instead. */
async function missingFile(error: unknown, path: string): Promise<unknown> {
  const explained = explainSystemError(error, `read the Dockerfile ${path}`);
  if (!(explained instanceof WhittleError) || explained.code !== "NOT_FOUND") return explained;
  const names = await readdir(dirname(path)).catch(() => undefined);
  const hint =
    names === undefined
      ? `there is no directory ${dirname(path)}`
      : (meantHint(names, basename(path)) ??
        "-f FILE names a Dockerfile elsewhere; - reads it from standard input");
  return new WhittleError("NOT_FOUND", explained.message, { hint, cause: error });
}

function hintOf(tree: Tree, file: string): { readonly hint?: string } {
  const hint = meantHint(tree.children(`/${dirname(file)}`.replace(/\/\.$/, "/")), basename(file));
  return hint === undefined ? {} : { hint };
}

function meantHint(names: readonly string[], wanted: string): string | undefined {
  const alike = names.filter((name) => /dockerfile|containerfile/i.test(name));
  const meant = nearest(wanted, names) ?? alike[0];
  return meant === undefined ? undefined : `did you mean -f ${meant}?`;
}

function usage(reason: string): WhittleError {
  return new WhittleError("USAGE", `Cannot build: ${reason}`);
}
