import { existsSync, statSync } from "node:fs";
import { basename, extname, isAbsolute, join, resolve } from "node:path";
import { type Environment, explainSystemError, WhittleError } from "../io/index.ts";
import type { DockerfileOptions } from "../project/index.ts";
import { extraHost } from "./extra-host.ts";
import { type RunRuleFlags, runRules } from "./run-rules.ts";
import { agentSources, secretSources } from "./secret-options.ts";

/** Flags of `build` that only a Dockerfile has a use for. */
export interface DockerfileFlags extends RunRuleFlags {
  readonly file?: string;
  readonly target?: string;
  readonly buildArg: readonly string[];
  readonly buildContext: readonly string[];
  readonly secret: readonly string[];
  readonly ssh: readonly string[];
  readonly network?: string;
  readonly addHost: readonly string[];
  readonly noCacheFilter: readonly string[];
  readonly invokeOnError?: string;
}

/** Where a Dockerfile and what it copies are. */
export type ChosenDockerfile = Pick<DockerfileOptions, "context" | "file" | "name">;

/**
 * The context and Dockerfile that are meant, or undefined when it is a recipe: a file that is named decides by its
 * name, else the context's `whittle.yaml` goes before its `Dockerfile`. What is no directory of this machine holds a
 * Dockerfile.
 *
 * @throws WhittleError `NOT_FOUND` for a context that is not there or has nothing to build
 */
export function chosenDockerfile(
  context: string,
  file: string | undefined,
  currentDirectory: string,
): ChosenDockerfile | undefined {
  const place = resolve(currentDirectory, context);
  if (context === "-" || (isRemote(context) && !existsSync(place))) {
    const inside = file === undefined || file === "-" || isRemote(file) || isAbsolute(file);
    return {
      context,
      ...(file === undefined ? {} : { file: inside ? file : file.replace(/^(?:\.\/)+/, "") }),
      name: context === "-" ? "image" : remoteName(context),
    };
  }
  const chosen = { context: place, name: basename(place).toLowerCase() || "image" };
  if (file !== undefined) {
    const recipe = [".yaml", ".yml"].includes(extname(file).toLowerCase());
    const apart = file === "-" || isRemote(file);
    if (recipe && !apart) return undefined;
    requireDirectory(place, context);
    return { ...chosen, file: apart ? file : resolve(currentDirectory, file) };
  }
  if (isThere(join(place, "whittle.yaml"))) return undefined;
  const found = ["Dockerfile", "dockerfile", "Containerfile"].find((name) => isThere(join(place, name)));
  if (found !== undefined) return { ...chosen, file: join(place, found) };
  requireDirectory(place, context);
  throw new WhittleError(
    "NOT_FOUND",
    `Cannot build ${context}: it has neither a whittle.yaml nor a Dockerfile`,
    {
      hint: "-f FILE names one elsewhere",
    },
  );
}

function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw explainSystemError(error, `read ${path}`);
  }
}

function isRemote(text: string): boolean {
  return /^(?:(?:https?|git|ssh):\/\/|[\w-]+@[\w.-]+:(?!\/\/)|github\.com\/)/i.test(text);
}

/** The last part of an address without what follows it: what an image that has no other name is called. */
function remoteName(address: string): string {
  const last = /([^/:]+?)(?:\.git|\.tar|\.tgz|\.tar\.\w+)?\/*(?:[?#].*)?$/.exec(address)?.[1] ?? "";
  return (
    last
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-+|-+$/g, "") || "image"
  );
}

function requireDirectory(place: string, context: string): void {
  const found = statSync(place, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return;
  throw new WhittleError(
    "NOT_FOUND",
    `Cannot build ${context}: ${found === undefined ? "no such file or directory" : "it is not a directory"}`,
    { hint: "a directory, -, a git address or the address of a tar is wanted" },
  );
}

/**
 * What the flags say of a Dockerfile's build.
 *
 * @throws WhittleError `USAGE`, `NOT_FOUND` for the file of a secret
 */
export function dockerfileOptions(
  flags: DockerfileFlags,
  currentDirectory: string,
  environment: Environment,
) {
  return {
    ...(flags.target === undefined ? {} : { target: flags.target }),
    buildArguments: new Map(flags.buildArg.flatMap((text) => givenArgument(text, environment))),
    contexts: new Map(flags.buildContext.map((text) => cut(text, "=", "--build-context", "NAME=DIRECTORY"))),
    directory: currentDirectory,
    secrets: secretSources(flags.secret, currentDirectory, environment),
    agents: agentSources(flags.ssh, currentDirectory, environment),
    ...(flags.network === undefined ? {} : { network: networkOf(flags.network) }),
    ...runRules(flags, flags.network),
    extraHosts: flags.addHost.map(extraHost).map(({ name, address }) => [name, address] as const),
    ...(flags.noCacheFilter.length === 0
      ? {}
      : { noCacheFilter: flags.noCacheFilter.flatMap((text) => text.split(",")) }),
    input: (): AsyncIterable<Uint8Array> => process.stdin,
  } satisfies Partial<DockerfileOptions>;
}

/** `NAME=value`; a name alone takes its value from the environment, and counts for nothing where there is none. */
function givenArgument(text: string, environment: Environment): (readonly [string, string])[] {
  if (text.includes("=")) return [cut(text, "=", "--build-arg", "NAME=VALUE")];
  const value = environment[text];
  return value === undefined ? [] : [[text, value]];
}

function cut(text: string, at: string, option: string, wanted: string): readonly [string, string] {
  const index = text.indexOf(at);
  if (index < 1) throw new WhittleError("USAGE", `Cannot use ${option} "${text}": ${wanted} is wanted`);
  return [text.slice(0, index), text.slice(index + 1)];
}

function networkOf(text: string): "default" | "none" | "host" {
  if (text === "default" || text === "none" || text === "host") return text;
  throw new WhittleError("USAGE", `Cannot build with the network "${text}": default, none or host is wanted`);
}
