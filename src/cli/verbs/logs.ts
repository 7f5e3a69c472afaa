import { WhittleError } from "../../io/index.ts";
import { containerDirectory, findContainer, readLog } from "../../sandbox/index.ts";
import { momentOf } from "../duration.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags {
  readonly follow?: boolean;
  readonly tail?: string;
  readonly timestamps?: boolean;
  readonly since?: string;
  readonly until?: string;
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<container>", "its name or id")
      .option("-f, --follow", "go on with what it writes from now on")
      .option("-n, --tail <lines>", "only so many lines from the end, or all")
      .option("-t, --timestamps", "show when each line was written")
      .option("--since <time>", "from then on: 2026-01-31T12:00:00Z, or 10m for ten minutes ago")
      .option("--until <time>", "up to then")
      .addHelpText(
        "after",
        "\nExamples:\n  whittle logs -f --tail 20 api\n  whittle logs --since 10m --timestamps api\n",
      )
      .action((name: string, flags: Flags) => run((context) => showLog(name, flags, context)));
  },
};

async function showLog(name: string, flags: Flags, context: VerbContext): Promise<number> {
  const { environment, signal } = context;
  const { id } = await findContainer(name, environment);
  const tail = parseTail(flags.tail);
  const lines = readLog(containerDirectory(id, environment), {
    signal,
    ...(tail === undefined ? {} : { tail }),
    ...(flags.since === undefined ? {} : { since: momentOf(flags.since, "--since", Date.now()) }),
    ...(flags.until === undefined ? {} : { until: momentOf(flags.until, "--until", Date.now()) }),
    ...(flags.follow ? { follow: () => runs(id, context) } : {}),
  });
  for await (const { stream, text, time } of lines) {
    const line = flags.timestamps ? `${time} ${text}` : text;
    if (stream === "stderr") context.err(line);
    else context.out(line);
  }
  return 0;
}

async function runs(id: string, { environment }: VerbContext): Promise<boolean> {
  const state = await findContainer(id, environment).catch(() => undefined);
  return state !== undefined && state.status !== "exited";
}

function parseTail(text: string | undefined): number | undefined {
  if (text === undefined || text === "all") return undefined;
  if (/^[0-9]+$/.test(text)) return Number(text);
  throw new WhittleError("USAGE", `Cannot show "${text}" lines: a number or "all" is wanted`);
}
