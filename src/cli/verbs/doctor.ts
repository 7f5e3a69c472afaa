import { access, constants, statfs } from "node:fs/promises";
import { Option } from "commander";
import { chooseMirrors } from "../../debian/index.ts";
import { cacheDirectory, makeDirectories, WhittleError } from "../../io/index.ts";
import { examineSandbox, type Finding } from "../../sandbox/index.ts";
import { formatBytes, formatTable } from "../format.ts";
import { paint, printable } from "../paint.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

export const command: VerbModule = {
  define(command, run) {
    command
      .addOption(new Option("--format <form>", "how to print").choices(["table", "json"]).default("table"))
      .addHelpText("after", "\nExamples:\n  whittle doctor\n  whittle doctor --format json\n")
      .action((flags: { readonly format: string }) => run((context) => examine(flags.format, context)));
  },
};

/** Answers 1 when something is missing without which Whittle cannot do its work. */
async function examine(format: string, context: VerbContext): Promise<number> {
  const { environment, storeDirectory } = context;
  const findings: Finding[] = [
    { topic: "node", status: "ok", found: `${process.versions.node}, at ${process.execPath}` },
    await examineDirectory("store", storeDirectory),
    await examineDirectory("cache", cacheDirectory(environment)),
    await examineMirror(context),
    ...(await examineSandbox(environment)),
  ];
  const ready = findings.every(({ status }) => status !== "missing");
  if (format === "json") context.out(`${JSON.stringify({ ready, findings }, undefined, 2)}\n`);
  else context.out(asText(findings, context.colour));
  return ready ? 0 : 1;
}

function asText(findings: readonly Finding[], colour: boolean): string {
  const p = paint(colour);
  const marks = { ok: p.green("✓"), limited: p.yellow("–"), missing: p.red("✗") };
  const table = formatTable(
    [{ title: "" }, { title: "" }, { title: "" }],
    findings.map(({ topic, status, found }) => [marks[status], topic, printable(found)]),
  );
  const lines = table.split("\n").slice(1, -1);
  const hints = new Map<string, string[]>();
  for (const { topic, hint } of findings) {
    if (hint !== undefined) hints.set(hint, [...(hints.get(hint) ?? []), topic]);
  }
  const advice = [...hints].map(([hint, topics]) => `  ${p.cyan(hint)}\n      for ${topics.join(", ")}`);
  return `${[...lines, ...(advice.length === 0 ? [] : ["", "What would change that:", ...advice])].join("\n")}\n`;
}

/** A directory that cannot be written, or has hardly any room left, is found out before a long build is. */
async function examineDirectory(topic: string, directory: string): Promise<Finding> {
  const little = 1_000_000_000;
  try {
    await makeDirectories(directory);
    await access(directory, constants.W_OK);
    const { bavail, bsize } = await statfs(directory);
    const free = bavail * bsize;
    return {
      topic,
      status: free < little ? "limited" : "ok",
      found: `${directory}, ${formatBytes(free)} free`,
    };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    const variable = topic === "store" ? "--store or WHITTLE_STORE" : "XDG_CACHE_HOME";
    return {
      topic,
      status: "missing",
      found: `${directory} cannot be written: ${reason}`,
      hint: `choose another directory with ${variable}`,
    };
  }
}

async function examineMirror({ environment }: VerbContext): Promise<Finding> {
  try {
    const { main } = await chooseMirrors({ environment });
    return { topic: "Debian mirror", status: "ok", found: main };
  } catch (error) {
    const hint = error instanceof WhittleError ? error.hint : undefined;
    return {
      topic: "Debian mirror",
      status: "limited",
      found: "none is known",
      ...(hint === undefined ? {} : { hint }),
    };
  }
}
