import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { cacheDirectory, explainSystemError, makeDirectories, WhittleError } from "../io/index.ts";
import type { BuiltImage } from "../project/index.ts";
import type { Store } from "../store/index.ts";
import { loadIntoDocker } from "./docker-load.ts";
import type { Output } from "./output.ts";
import type { BuildPush } from "./push-built.ts";
import type { VerbContext } from "./verb.ts";

/** Whether what is written goes where results are printed. */
export function isStandardOutput(output: Output): boolean {
  return output.dest === "-";
}

/**
 * Finds what would fail in the end before anything is built.
 *
 * @throws WhittleError `USAGE` for an archive on a terminal
 */
export function checkOutputs(outputs: readonly Output[]): void {
  const out = outputs.filter(isStandardOutput);
  if (out.length > 1) {
    throw new WhittleError("USAGE", "Cannot write to standard output: two outputs want it, one is possible");
  }
  if (out.length === 1 && process.stdout.isTTY === true) {
    throw new WhittleError(
      "USAGE",
      "Cannot write an archive to standard output: it is a terminal, a file or a pipe is wanted",
      { hint: "type=tar,dest=FILE writes a file" },
    );
  }
}

/** Writes a built image to its place outside the store, and pushes it by `push` where the output wants that. */
export async function writeOutput(
  output: Output,
  image: BuiltImage,
  tags: readonly string[],
  store: Store,
  context: VerbContext,
  push?: BuildPush,
): Promise<void> {
  if (output.push) await push?.image(image, output.names);
  if (output.type === "store" || output.type === "none") return;
  const { writeTo } = await import("../store/index.ts");
  const transport = {
    oci: output.archive ? "oci-archive" : "oci",
    docker: output.archive ? "docker-archive" : "oci",
    daemon: "docker-archive",
    tar: "tar",
    local: "rootfs",
  } as const;
  // Reasons travel with the image, so that `why` answers for a layout or an archive too.
  const write = (path: string): Promise<void> =>
    writeTo(
      { transport: transport[output.type as keyof typeof transport], path },
      store,
      image.descriptor,
      context,
      {
        names: [...tags, ...output.names],
        referrers: image.referrers,
      },
    );
  if (output.type === "daemon") await throughFile(context, write, (path) => loadIntoDocker(path, context));
  else if (isStandardOutput(output)) await throughFile(context, write, toStandardOutput);
  else await write(resolve(context.currentDirectory, output.dest ?? ""));
}

/** An archive is finished before anybody reads it: half of one would be taken for the whole. */
async function throughFile(
  context: VerbContext,
  write: (path: string) => Promise<void>,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const directory = join(cacheDirectory(context.environment), "outputs");
  await makeDirectories(directory);
  const path = join(directory, `${randomBytes(8).toString("hex")}.tar`);
  try {
    await write(path);
    await use(path);
  } finally {
    await rm(path, { force: true });
  }
}

async function toStandardOutput(path: string): Promise<void> {
  await pipeline(createReadStream(path), process.stdout, { end: false }).catch((error: unknown) => {
    throw explainSystemError(error, "write to standard output");
  });
}
