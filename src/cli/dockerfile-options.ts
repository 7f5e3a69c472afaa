import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import { type Environment, explainSystemError, WhittleError } from "../io/index.ts";
import type { DockerfileOptions } from "../project/index.ts";

/** Flags of `build` that only a Dockerfile has a use for. */
export interface DockerfileFlags {
  readonly file?: string;
  readonly target?: string;
  readonly buildArg: readonly string[];
  readonly buildContext: readonly string[];
  readonly secret: readonly string[];
  readonly network?: string;
  readonly addHost: readonly string[];
}

/**
 * The Dockerfile that is meant, or undefined when it is a recipe: a file that is named decides by its name, else the
 * context's `whittle.yaml` goes before its `Dockerfile`.
 *
 * @param directory - absolute path of the context
 */
export function chosenDockerfile(
  directory: string,
  file: string | undefined,
  currentDirectory: string,
): string | undefined {
  if (file !== undefined) {
    const recipe = [".yaml", ".yml"].includes(extname(file).toLowerCase());
    return recipe ? undefined : resolve(currentDirectory, file);
  }
  if (existsSync(join(directory, "whittle.yaml"))) return undefined;
  const dockerfile = ["Dockerfile", "dockerfile"].find((name) => existsSync(join(directory, name)));
  return dockerfile === undefined ? undefined : join(directory, dockerfile);
}

/**
 * What the flags say of a Dockerfile's build.
 *
 * @throws WhittleError `USAGE`
 */
export function dockerfileOptions(
  flags: DockerfileFlags,
  directory: string,
  currentDirectory: string,
  environment: Environment,
): Pick<
  DockerfileOptions,
  "name" | "target" | "buildArguments" | "contexts" | "secrets" | "network" | "extraHosts"
> {
  return {
    name: basename(directory).toLowerCase() || "image",
    ...(flags.target === undefined ? {} : { target: flags.target }),
    buildArguments: new Map(flags.buildArg.flatMap((text) => givenArgument(text, environment))),
    contexts: new Map(
      flags.buildContext.map((text) => {
        const [name, value] = cut(text, "=", "--build-context", "NAME=DIRECTORY");
        return [name, value.includes("://") ? value : resolve(currentDirectory, value)];
      }),
    ),
    secrets: new Map(flags.secret.map((text) => secretOf(text, currentDirectory, environment))),
    ...(flags.network === undefined ? {} : { network: networkOf(flags.network) }),
    extraHosts: flags.addHost.map((text) =>
      cut(text, text.includes("=") ? "=" : ":", "--add-host", "HOST:ADDRESS"),
    ),
  };
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

/** `id=ID[,src=FILE][,env=NAME]`: by default the variable, else the file, called like the secret. */
function secretOf(
  text: string,
  currentDirectory: string,
  environment: Environment,
): readonly [string, () => Promise<Uint8Array | undefined>] {
  const fields = new Map(text.split(",").map((field) => cut(field, "=", "--secret", "id=ID,src=FILE")));
  const id = fields.get("id");
  if (id === undefined)
    throw new WhittleError("USAGE", `Cannot use --secret: it has no id, id=ID,src=FILE is wanted`);
  const file = fields.get("src") ?? fields.get("source");
  const variable =
    fields.get("env") ?? (file === undefined && environment[id] !== undefined ? id : undefined);
  if (variable !== undefined) {
    return [
      id,
      async () => {
        const value = environment[variable];
        return value === undefined ? undefined : Buffer.from(value, "utf8");
      },
    ];
  }
  const path = resolve(currentDirectory, file ?? id);
  return [
    id,
    () =>
      readFile(path).catch((error: unknown) => {
        throw explainSystemError(error, `read the secret ${id}`);
      }),
  ];
}

function networkOf(text: string): "default" | "none" | "host" {
  if (text === "default" || text === "none" || text === "host") return text;
  throw new WhittleError("USAGE", `Cannot build with the network "${text}": default, none or host is wanted`);
}
