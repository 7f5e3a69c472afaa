import { Argument, Option } from "commander";
import { cacheDirectory, WhittleError } from "../../io/index.ts";
import type { CollectedCaches } from "../../sandbox/index.ts";
import type { CachePart, CollectOptions, Problem, Repaired, TidyOptions, Usage } from "../../store/index.ts";
import { formatBytes, formatTable } from "../format.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

type Action = "path" | "verify" | "gc" | "du";

interface Flags {
  readonly format: "text" | "json";
  readonly repair?: boolean;
  readonly dryRun?: boolean;
  readonly olderThan?: string;
  readonly all?: boolean;
  readonly keepCache: string;
  readonly cacheSize: string;
}

export const command: VerbModule = {
  define(command, run) {
    command
      .addArgument(
        new Argument(
          "<action>",
          "print its path, check every byte, delete what nothing needs, measure it",
        ).choices(["path", "verify", "gc", "du"]),
      )
      .option("--repair", "verify: remove what is damaged, so that it is built, pulled or unpacked again")
      .option("--dry-run", "gc: only tell what would go")
      .option(
        "--older-than <duration>",
        "gc: delete what was not of use for so long: 30m, 2h, 7d (default 1h)",
      )
      .option("--all", "gc: forget cached results and cache mounts of builds too")
      .option("--keep-cache <duration>", "gc: delete downloads and the like not used for so long", "30d")
      .option("--cache-size <size>", "gc: while there is more of them, delete the longest unused", "10g")
      .addOption(new Option("--format <form>", "how to print").choices(["text", "json"]).default("text"))
      .addHelpText(
        "after",
        "\nExamples:\n  whittle store verify --repair\n  whittle store gc --dry-run --older-than 7d\n",
      )
      .action((action: Action, flags: Flags) => run((context) => actions[action](flags, context)));
  },
};

const actions: Readonly<Record<Action, (flags: Flags, context: VerbContext) => Promise<number>>> = {
  async path(flags, context) {
    const { storeDirectory } = context;
    context.out(flags.format === "json" ? json({ path: storeDirectory }) : `${storeDirectory}\n`);
    return 0;
  },

  async verify(flags, context) {
    const store = await context.store();
    const problems: Problem[] = [];
    for await (const problem of store.verify(context)) problems.push(problem);
    const repaired = flags.repair === true ? await store.repair(problems) : undefined;
    if (flags.format === "json") context.out(json({ problems, ...repaired }));
    else context.out(problemLines(problems, repaired) || `${store.directory} is whole\n`);
    // What was damaged and is gone is no loss where no image needs it.
    const left = repaired === undefined ? problems : problems.filter(({ file }) => file === undefined);
    return left.length > 0 ? 1 : 0;
  },

  async gc(flags, context) {
    const store = await context.store();
    const directory = cacheDirectory(context.environment);
    const options = tidyOptions(flags);
    const collected = await store.gc(context, collectOptions(flags));
    const { tidyMachineCache } = await import("../../store/index.ts");
    const cache = await tidyMachineCache(directory, context, options);
    const kept = await collectKept(flags, context);
    const { pruneSnapshots } = await import("../../sandbox/index.ts");
    const snapshots = await pruneSnapshots(context.environment, options);
    if (flags.format === "json") context.out(json({ ...collected, cache, ...kept, snapshots }));
    else {
      const verb = flags.dryRun === true ? "would free" : "freed";
      context.out(
        `${verb} ${formatBytes(collected.bytes)} in ${collected.removed.length} blobs\n` +
          `${verb} ${formatBytes(cache.bytes)} in ${cache.files} files of ${directory}\n` +
          `${verb} ${formatBytes(kept.mounts.bytes)} in ${kept.mounts.removed} cache mounts, and ${kept.git} git trees\n` +
          `${verb} ${formatBytes(snapshots.bytes)} in ${snapshots.snapshots} snapshots\n`,
      );
    }
    return 0;
  },

  async du(flags, context) {
    const usage = await (await context.store()).usage();
    const { measureMachineCache } = await import("../../store/index.ts");
    const cache = await measureMachineCache(cacheDirectory(context.environment));
    context.out(flags.format === "json" ? json({ ...usage, cache }) : usageTable(usage, cache));
    return 0;
  },
};

function problemLines(problems: readonly Problem[], repaired: Repaired | undefined): string {
  const lines = problems.map(
    ({ reference, message }) => `${reference === undefined ? "" : `${reference}: `}${message}`,
  );
  if (repaired !== undefined && problems.length > 0) {
    const { removed, forgotten } = repaired;
    lines.push(`removed ${removed.length} damaged files, forgot ${forgotten} cached results`);
    const names = new Set(problems.flatMap(({ reference }) => reference ?? []));
    if (names.size > 0) lines.push(`build or pull again: ${[...names].join(" ")}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

/** What builds keep between them in whole directories: the cache mounts of their steps, and git repositories. */
async function collectKept(flags: Flags, { environment }: VerbContext): Promise<Kept> {
  const [{ collectCaches }, { collectGit }] = await Promise.all([
    import("../../sandbox/index.ts"),
    import("../../build/index.ts"),
  ]);
  const keepFor = flags.all === true ? 0 : milliseconds("--keep-cache", flags.keepCache);
  const options = { keepFor, dryRun: flags.dryRun === true };
  return {
    mounts: await collectCaches(environment, options),
    git: await collectGit(cacheDirectory(environment), options),
  };
}

interface Kept {
  readonly mounts: CollectedCaches;
  /** How many repositories and trees of files are gone. */
  readonly git: number;
}

function collectOptions(flags: Flags): CollectOptions {
  return {
    ...(flags.dryRun === true ? { dryRun: true } : {}),
    ...(flags.all === true ? { keepCacheFor: 0 } : {}),
    ...(flags.olderThan === undefined
      ? {}
      : { keepYoungerThan: milliseconds("--older-than", flags.olderThan) }),
  };
}

function tidyOptions(flags: Flags): TidyOptions {
  return {
    ...(flags.dryRun === true ? { dryRun: true } : {}),
    keepFor: milliseconds("--keep-cache", flags.keepCache),
    keepBytes: bytesOf("--cache-size", flags.cacheSize),
  };
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function milliseconds(option: string, text: string): number {
  const [, number, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (number === undefined || unit === undefined) {
    throw new WhittleError("USAGE", `Cannot use ${option} "${text}": a number and s, m, h or d is wanted`);
  }
  return Number(number) * (units[unit] ?? 0);
}

const sizes: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

function bytesOf(option: string, text: string): number {
  const [, number, unit] = /^(\d{1,9})([kmgt]?)b?$/i.exec(text) ?? [];
  if (number === undefined || unit === undefined) {
    throw new WhittleError("USAGE", `Cannot use ${option} "${text}": a number with k, m, g or t is wanted`);
  }
  return Number(number) * (sizes[unit.toLowerCase()] ?? 1);
}

function usageTable(usage: Usage, cache: readonly CachePart[]): string {
  const unused = usage.bytes - usage.namedBytes;
  return formatTable(
    [{ title: "WHAT" }, { title: "NUMBER", align: "right" }, { title: "SIZE", align: "right" }],
    [
      ["images", String(usage.images), formatBytes(usage.namedBytes)],
      ["blobs without a name", "", formatBytes(unused)],
      ["cached results", String(usage.cacheRecords), formatBytes(usage.cacheBytes)],
      ["unpacked layers", "", formatBytes(usage.unpackedBytes)],
      ["unfinished files", "", formatBytes(usage.temporaryBytes)],
      ...cache.map(({ name, files, bytes }) => [name, String(files), formatBytes(bytes)]),
    ],
  );
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
