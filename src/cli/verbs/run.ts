import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Healthcheck, openImage, parsePlatform } from "../../image/index.ts";
import { WhittleError } from "../../io/index.ts";
import {
  formatPublished,
  type RunnableImage,
  type RunOptions,
  runnableImage,
  startDetached,
} from "../../sandbox/index.ts";
import { readFrom } from "../../store/index.ts";
import { healthcheckOf } from "../health-options.ts";
import { defineRunFlags, type RunFlags } from "../run-flags.ts";
import { runInTerminal } from "../run-in-terminal.ts";
import { publishAll, runOptions } from "../run-options.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

export const command: VerbModule = {
  define(command, run) {
    defineRunFlags(command)
      .argument(
        "[image]",
        "name in the store; oci:DIR, oci-archive:FILE, docker-archive:FILE, rootfs:DIR; or a directory with a " +
          "whittle.yaml (./shop, ./shop#web), whose services are started first. Default: this directory",
      )
      .argument("[command...]", "what to run instead of the image's own command")
      .passThroughOptions()
      .addHelpText(
        "after",
        "\nExamples:\n  whittle run --rm -p 8080:8080 --read-only api:1\n  whittle run -d -p 8000:8000 --env-file .env .#web\n",
      )
      .action((image: string | undefined, words: string[], flags: RunFlags) =>
        run((context) => runImage(image, words, flags, context)),
      );
  },
};

async function runImage(
  reference: string | undefined,
  words: readonly string[],
  flags: RunFlags,
  context: VerbContext,
): Promise<number> {
  const { environment, currentDirectory } = context;
  const given = await runOptions(flags, words, currentDirectory, environment);
  if (flags.tty && flags.interactive && !flags.detach && !process.stdin.isTTY) {
    throw new WhittleError("USAGE", "Cannot give it a terminal: standard input is not one", {
      hint: "use -i without -t",
    });
  }
  const start = (found: RunnableImage, options: RunOptions): Promise<number> => {
    const image = withHealthcheck(found, healthcheckOf(flags, found.config.Healthcheck));
    const all = flags.publishAll ? publishAll(options, found.config) : options;
    return flags.detach ? runDetached(image, all, context) : runInTerminal(image, all, context);
  };
  // No name of an image begins so.
  if (reference === undefined || /^[./]/.test(reference)) {
    if (reference === undefined && !existsSync(join(currentDirectory, "whittle.yaml"))) {
      throw new WhittleError("USAGE", "Cannot run: no image was named, and there is no whittle.yaml here", {
        hint: "whittle run IMAGE, or whittle run DIRECTORY; whittle images lists what the store has",
      });
    }
    const { runProject } = await import("../run-project.ts");
    return runProject(reference ?? ".", given, flags, context, start);
  }
  return start(await findImage(reference, flags.platform, context), given);
}

async function runDetached(image: RunnableImage, options: RunOptions, context: VerbContext): Promise<number> {
  const state = await startDetached(image, options, context, context.environment);
  for (const port of state.ports) context.err(`${formatPublished(port)}\n`);
  context.out(`${state.id}\n`);
  return 0;
}

async function findImage(
  reference: string,
  platformText: string | undefined,
  context: VerbContext,
): Promise<RunnableImage> {
  const platform = platformText === undefined ? undefined : parsePlatform(platformText);
  const opened = await readFrom(reference, context, {
    store: await context.store(),
    ...(platform === undefined ? {} : { platform }),
  });
  try {
    const image = await openImage(opened.source, opened.descriptor, platform, reference);
    return await runnableImage(image, reference, context, context.environment);
  } finally {
    await opened.close();
  }
}

function withHealthcheck(image: RunnableImage, check: Healthcheck | undefined): RunnableImage {
  const { Healthcheck: _, ...config } = image.config;
  return { ...image, config: check === undefined ? config : { ...config, Healthcheck: check } };
}
