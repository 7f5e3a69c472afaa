import { parseReference } from "../../image/index.ts";
import { WhittleError } from "../../io/index.ts";
import { buildBootstrap } from "../../project/index.ts";
import { builtTable } from "../built-table.ts";
import { repeated } from "../options.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags {
  readonly tag: readonly string[];
  readonly include: readonly string[];
  readonly packages: readonly string[];
  readonly platform: readonly string[];
  readonly components?: string;
  readonly mirror?: string;
  readonly securityMirror?: string;
  readonly snapshot?: string;
  readonly updates: boolean;
  readonly security: boolean;
  readonly acceptExpired?: boolean;
  readonly cache: boolean;
  readonly pull?: boolean;
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<suite>", "bookworm, trixie, forky, …")
      .option("-t, --tag <reference>", "name the image gets in the store; repeatable", repeated, [])
      .option("--include <list>", "further packages, separated by commas; repeatable", repeated, [])
      .option("--packages <list>", "the same as --include", repeated, [])
      .option("--platform <list>", "platforms to build for, separated by commas; repeatable", repeated, [])
      .option("--components <list>", "components of the archive, separated by commas (default: main)")
      .option("--mirror <address>", "mirror of the archive (default: that of the machine's apt sources)")
      .option("--security-mirror <address>", "mirror of the security archive")
      .option("--snapshot <date>", "the archive as it was, like 20260912T000000Z")
      .option("--no-updates", "leave SUITE-updates out")
      .option("--no-security", "leave SUITE-security out")
      .option("--accept-expired", "accept a release that is past its Valid-Until")
      .option("--no-cache", "run every step again")
      .option("--pull", "ask the archive for newer packages now")
      .addHelpText(
        "after",
        "\nExamples:\n  whittle bootstrap trixie -t debian:trixie-slim\n  whittle bootstrap bookworm --include ca-certificates,curl -t tools:1\n",
      )
      .action((suite: string, flags: Flags) => run((context) => bootstrap(suite, flags, context)));
  },
};

async function bootstrap(suite: string, flags: Flags, context: VerbContext): Promise<number> {
  const tags = flags.tag.length > 0 ? flags.tag : [`debian:${suite}`];
  for (const tag of tags) {
    if (parseReference(tag).transport === "store") continue;
    throw new WhittleError(
      "USAGE",
      `Cannot give the image the name "${tag}": it is a place, a name is wanted`,
    );
  }
  const store = await context.store();
  const platforms = listed(flags.platform);
  const image = await buildBootstrap(
    {
      bootstrap: suite,
      ...(flags.components === undefined ? {} : { components: listed([flags.components]) }),
      ...(flags.mirror === undefined ? {} : { mirror: flags.mirror }),
      ...(flags.securityMirror === undefined ? {} : { securityMirror: flags.securityMirror }),
      ...(flags.snapshot === undefined ? {} : { snapshot: flags.snapshot }),
      ...(flags.updates ? {} : { updates: false }),
      ...(flags.security ? {} : { security: false }),
      ...(flags.acceptExpired === undefined ? {} : { acceptExpired: flags.acceptExpired }),
    },
    listed([...flags.include, ...flags.packages]),
    {
      store,
      environment: context.environment,
      progress: context.progress,
      signal: context.signal,
      noCache: !flags.cache,
      ...(flags.pull === undefined ? {} : { pull: flags.pull }),
      ...(platforms.length === 0 ? {} : { platforms }),
    },
  );
  for (const tag of tags) await store.tag(tag, image.descriptor);
  context.err(builtTable([image], context.colour));
  context.out(`${image.descriptor.digest}\n`);
  return 0;
}

function listed(texts: readonly string[]): string[] {
  return texts.flatMap((text) => text.split(/[\s,]+/)).filter((name) => name !== "");
}
