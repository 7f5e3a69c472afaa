import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bytesContent } from "../io/index.ts";
import { writeTar } from "../tar/index.ts";
import { attributes, type Entry } from "../tree/index.ts";
import type { BuildStep } from "./build-step.ts";
import { subordinateIds } from "./machine.ts";
import type { Privilege } from "./privilege.ts";
import type { RuntimeSpec } from "./runtime-spec.ts";

/** A secret that a step is shown, as a file, as a variable of its environment, or as both. */
export interface StepSecret {
  readonly bytes: Uint8Array;
  /** Absolute path of the file inside. */
  readonly target?: string;
  /** Of the file; numbers as inside. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Name of the variable. */
  readonly env?: string;
}

/**
 * What the step's script does first where there is a directory `secrets`: it puts a file system in memory there,
 * which nobody outside of its mount namespace sees and which ends with that, and fills it from descriptor 3. The
 * configuration, which holds the variables, is among the files; runtimes keep copies of it in `runtime`.
 */
export const secretsScript = `
if [ -d secrets ]; then
  mount -t tmpfs -o mode=0711 tmpfs secrets
  tar --extract --preserve-permissions --same-owner --numeric-owner --directory secrets --file - <&3
  exec 3<&-
  mount --bind secrets/config.json config.json
  mount -t tmpfs -o mode=0700 tmpfs runtime
fi
`;

/** The step with its secrets where its program looks for them. */
export function withSecrets(step: BuildStep, directory: string): BuildStep {
  const variables = step.secrets.flatMap(({ env, bytes }) =>
    env === undefined ? [] : [`${env}=${Buffer.from(bytes).toString("utf8")}`],
  );
  const mounts = step.secrets.flatMap(({ target }, index) =>
    target === undefined
      ? []
      : {
          destination: target,
          type: "bind",
          source: join(directory, "secrets", String(index)),
          options: ["bind", "rprivate", "ro"],
        },
  );
  return { ...step, env: [...step.env, ...variables], mounts: [...step.mounts, ...mounts] };
}

/**
 * Writes a step's configuration where its runtime looks for it. With secrets nothing of it gets on a disk.
 *
 * @returns what descriptor 3 of the step's script has to give, if anything
 */
export async function placeConfiguration(
  spec: RuntimeSpec,
  secrets: readonly StepSecret[],
  directory: string,
  privilege: Privilege,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const text = JSON.stringify(spec);
  await writeFile(join(directory, "config.json"), secrets.length === 0 ? text : "");
  if (secrets.length === 0) return undefined;
  await mkdir(join(directory, "secrets"), { recursive: true });
  const most =
    privilege === "root" ? Number.POSITIVE_INFINITY : privilege === "single" ? 0 : subordinateIds();
  const file = (bytes: Uint8Array | string, mode: number, owner = { uid: 0, gid: 0 }): Entry => ({
    type: "file",
    content: bytesContent(bytes),
    // An id that is not there inside belongs to nobody.
    ...attributes(mode, { uid: owner.uid <= most ? owner.uid : 0, gid: owner.gid <= most ? owner.gid : 0 }),
  });
  return writeTar([
    ["/config.json", file(text, 0o600)],
    ...secrets.map((secret, index) => [`/${index}`, file(secret.bytes, secret.mode, secret)] as const),
  ]);
}
