import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { open } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { type Environment, WhittleError } from "../io/index.ts";
import type { VerbContext } from "./verb.ts";

/**
 * Finds the docker program.
 *
 * @throws WhittleError `ENVIRONMENT` where there is none
 */
export function dockerProgram(environment: Environment): string {
  for (const directory of (environment["PATH"] ?? "").split(delimiter)) {
    if (directory === "") continue;
    const path = join(directory, "docker");
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next directory may have it.
    }
  }
  throw new WhittleError(
    "ENVIRONMENT",
    "Cannot load the image into docker: this machine has no program docker on its PATH",
    {
      hint: "whittle run uses the store, which has every image that is built; -o type=docker,dest=FILE writes what docker load reads",
    },
  );
}

/** Gives an archive to `docker load`. */
export async function loadIntoDocker(path: string, context: VerbContext): Promise<void> {
  const program = dockerProgram(context.environment);
  // As its input: a docker that is confined, as a snap is, cannot open files everywhere.
  const file = await open(path);
  const child = spawn(program, ["load", "--quiet"], {
    env: context.environment as NodeJS.ProcessEnv,
    stdio: [file.fd, "pipe", "pipe"],
    signal: context.signal,
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => (said = `${said}${chunk.toString("utf8")}`.slice(-4000)));
  }
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  }).finally(() => file.close());
  if (status === 0) return;
  throw new WhittleError(
    "ENVIRONMENT",
    `Cannot load the image into docker: ${said.trim() || `docker load ends with status ${status}`}`,
    { hint: "docker has to be running; DOCKER_HOST says where" },
  );
}
