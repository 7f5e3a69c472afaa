import { accessSync, constants, createReadStream, statSync } from "node:fs";
import { resolve } from "node:path";
import { csvFields } from "../dockerfile/index.ts";
import { type Environment, explainSystemError, nearest, WhittleError } from "../io/index.ts";
import type { AgentSource } from "../project/index.ts";

/** Brings the bytes of a secret, or nothing where its variable is not set. */
export type SecretSource = () => Promise<Uint8Array | undefined>;

// As BuildKit: what is larger is data, and no secret.
const mostBytes = 500 * 1024;

/**
 * Reads what `--secret` takes: `id=ID[,type=file|env][,src=FILE][,env=NAME]`; without a source, the variable called
 * like the secret, else the file. A file has to be there and to be readable whether or not a step asks for it.
 *
 * @throws WhittleError `USAGE`, `NOT_FOUND`, `PERMISSION`; no message says what a secret's value is
 */
export function secretSources(
  texts: readonly string[],
  currentDirectory: string,
  environment: Environment,
): Map<string, SecretSource> {
  return new Map(texts.map((text) => secretSource(text, currentDirectory, environment)));
}

function secretSource(
  text: string,
  currentDirectory: string,
  environment: Environment,
): readonly [string, SecretSource] {
  const { id, file, variable } = secretFields(text, environment);
  if (variable !== undefined) {
    const value = environment[variable];
    const bytes = value === undefined ? undefined : Buffer.from(value, "utf8");
    if (bytes !== undefined) requireSize(id, bytes.length);
    return [id, async () => bytes];
  }
  const path = resolve(currentDirectory, file ?? id);
  requireReadable(id, path, file === undefined);
  // Read when it is wanted and once: it may be a pipe.
  let bytes: Promise<Uint8Array> | undefined;
  return [
    id,
    () => {
      bytes ??= readSecret(id, path);
      return bytes;
    },
  ];
}

interface SecretFields {
  readonly id: string;
  readonly file?: string;
  readonly variable?: string;
}

const keys = ["id", "type", "src", "source", "env"];

function secretFields(text: string, environment: Environment): SecretFields {
  const values = new Map<string, string>();
  for (const field of fieldsOf(text)) {
    const equals = field.indexOf("=");
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    if (!keys.includes(key)) {
      const meant = nearest(key, keys);
      const suggestion = meant === undefined ? "" : ` (did you mean ${meant}?)`;
      throw usage(`unexpected key "${key}"${suggestion}`);
    }
    if (equals < 0) throw usage(`"${key}" has no value, ${key}=VALUE is wanted`);
    values.set(key === "source" ? "src" : key, field.slice(equals + 1));
  }
  const id = values.get("id");
  if (id === undefined || id === "") throw usage("it has no id");
  const type = values.get("type");
  if (type !== undefined && type !== "file" && type !== "env") {
    throw usage(`the type "${type}" is not known, file or env is wanted`);
  }
  let [file, variable] = [values.get("src"), values.get("env")];
  if (type === "env" && variable === undefined) [file, variable] = [undefined, file];
  if (file !== undefined && variable !== undefined) throw usage(`the secret ${id} has both src and env`);
  if (file === undefined && variable === undefined && type !== "file" && environment[id] !== undefined) {
    variable = id;
  }
  if (type === "env") variable ??= id;
  return { id, ...(file === undefined ? {} : { file }), ...(variable === undefined ? {} : { variable }) };
}

function fieldsOf(text: string): string[] {
  try {
    return csvFields(text);
  } catch {
    throw usage("its quotes do not match");
  }
}

function usage(reason: string): WhittleError {
  return new WhittleError("USAGE", `Cannot use --secret: ${reason}`, {
    hint: "--secret id=ID,src=FILE or id=ID,env=NAME",
  });
}

function requireReadable(id: string, path: string, guessed: boolean): void {
  try {
    const about = statSync(path);
    accessSync(path, constants.R_OK);
    if (about.isDirectory()) throw usage(`the secret ${id} is the directory ${path}, a file is wanted`);
    if (about.isFile()) requireSize(id, about.size);
  } catch (error) {
    const explained = explainSystemError(error, `read the secret ${id} from ${path}`);
    if (!guessed || !(explained instanceof WhittleError) || explained.code !== "NOT_FOUND") throw explained;
    throw new WhittleError("NOT_FOUND", explained.message, {
      hint: `nor is there a variable ${id} in the environment`,
      cause: error,
    });
  }
}

function requireSize(id: string, size: number): void {
  if (size > mostBytes) throw usage(`the secret ${id} has more than ${mostBytes} bytes`);
}

async function readSecret(id: string, path: string): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      size += chunk.length;
      requireSize(id, size);
      chunks.push(chunk);
    }
  } catch (error) {
    throw explainSystemError(error, `read the secret ${id} from ${path}`);
  }
  return Buffer.concat(chunks);
}

/**
 * Reads what `--ssh` takes: `ID` for the agent of `SSH_AUTH_SOCK`, `ID=SOCKET`, or `ID=KEY[,KEY…]`; `raw=true`
 * behind a socket lets everything through to it.
 *
 * @throws WhittleError `USAGE`, `NOT_FOUND`, `PERMISSION`
 */
export function agentSources(
  texts: readonly string[],
  currentDirectory: string,
  environment: Environment,
): Map<string, AgentSource> {
  const sources = new Map<string, AgentSource>();
  for (const text of texts) {
    const equals = text.indexOf("=");
    const id = (equals < 0 ? text : text.slice(0, equals)) || "default";
    if (sources.has(id)) {
      throw new WhittleError("USAGE", `Cannot use --ssh "${text}": there are two agents called ${id}`);
    }
    const words = equals < 0 ? [] : text.slice(equals + 1).split(",");
    const raw = words.some((word) => /^raw=(?:1|t|true)$/i.test(word));
    const given = words.filter((word) => word !== "" && !/^raw=/i.test(word));
    const paths = given.length > 0 ? given : ownAgent(text, environment);
    sources.set(id, { paths: paths.map((path) => requireAgent(resolve(currentDirectory, path))), raw });
  }
  return sources;
}

function ownAgent(text: string, environment: Environment): string[] {
  const socket = environment["SSH_AUTH_SOCK"];
  if (socket !== undefined && socket !== "") return [socket];
  throw new WhittleError(
    "USAGE",
    `Cannot use --ssh "${text}": there is no ssh agent, SSH_AUTH_SOCK is not set`,
    {
      hint: "start one with eval $(ssh-agent), or name a key: --ssh default=KEY-FILE",
    },
  );
}

function requireAgent(path: string): string {
  try {
    accessSync(path, constants.R_OK);
    return path;
  } catch (error) {
    throw explainSystemError(error, `forward the ssh agent or key ${path}`);
  }
}
