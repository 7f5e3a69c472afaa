import { Argument, Option } from "commander";
import { WhittleError } from "../../io/index.ts";
import {
  findVolume,
  listContainers,
  listVolumes,
  makeVolume,
  removeVolume,
  type StoredVolume,
} from "../../sandbox/index.ts";
import { formatTable } from "../format.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

type Action = "ls" | "create" | "inspect" | "rm" | "prune";

interface Flags {
  readonly quiet?: boolean;
  readonly all?: boolean;
  readonly format: string;
}

export const command: VerbModule = {
  define(command, run) {
    command
      .addArgument(
        new Argument("<action>", "list, make, show, remove them, or remove what nobody uses").choices([
          "ls",
          "create",
          "inspect",
          "rm",
          "prune",
        ]),
      )
      .argument("[name...]", "names of volumes")
      .option("-q, --quiet", "ls: print names only")
      .option("-a, --all", "prune: those with a name as well, where no container has them")
      .addOption(
        new Option("--format <form>", "ls: how to print").choices(["table", "json"]).default("table"),
      )
      .addHelpText("after", "\nExamples:\n  whittle volume ls\n  whittle volume rm shop-db\n")
      .action((action: Action, names: string[], flags: Flags) =>
        run(async (context) => {
          requireNames(action, names);
          await actions[action](names, flags, context);
          return 0;
        }),
      );
  },
};

/** What else than the action is wanted on the command line. */
function requireNames(action: Action, names: readonly string[]): void {
  const wanted = action === "inspect" || action === "rm";
  if (wanted && names.length === 0) {
    throw new WhittleError("USAGE", `Cannot ${action} a volume: a name is wanted`);
  }
  if ((action === "ls" || action === "prune") && names.length > 0) {
    throw new WhittleError("USAGE", `Cannot use "${names.join(" ")}": ${action} takes no names`);
  }
}

type Run = (names: readonly string[], flags: Flags, context: VerbContext) => Promise<void>;

const actions: Readonly<Record<Action, Run>> = {
  async ls(_, flags, context) {
    const volumes = await withUsers(await listVolumes(context.environment), context);
    if (flags.quiet) for (const { name } of volumes) context.out(`${name}\n`);
    else if (flags.format === "json") context.out(`${JSON.stringify(volumes, undefined, 2)}\n`);
    else {
      const titles = ["NAME", "CREATED", "CONTAINERS"].map((title) => ({ title }));
      const rows = volumes.map(({ name, created, containers }) => [name, created, containers.join(", ")]);
      context.out(formatTable(titles, rows));
    }
  },

  async create(names, _, { environment, out }) {
    for (const name of names.length === 0 ? [undefined] : names) {
      out(`${(await makeVolume(name, environment)).name}\n`);
    }
  },

  async inspect(names, _, context) {
    const found = await Promise.all(names.map((name) => findVolume(name, context.environment)));
    context.out(`${JSON.stringify(await withUsers(found, context), undefined, 2)}\n`);
  },

  async rm(names, _, { environment, out }) {
    for (const name of names) {
      await removeVolume(name, environment);
      out(`${name}\n`);
    }
  },

  async prune(_, flags, context) {
    const volumes = await withUsers(await listVolumes(context.environment), context);
    const unused = volumes.filter(
      ({ anonymous, containers }) => containers.length === 0 && (anonymous || flags.all === true),
    );
    await actions.rm(
      unused.map(({ name }) => name),
      flags,
      context,
    );
  },
};

/** With the names of the containers that have each volume. */
async function withUsers(
  volumes: readonly StoredVolume[],
  { environment }: VerbContext,
): Promise<(StoredVolume & { readonly containers: readonly string[] })[]> {
  const all = await listContainers(environment);
  return volumes.map((volume) => {
    const users = all.filter(({ mounts }) =>
      mounts.some(({ kind, source }) => kind === "volume" && source === volume.name),
    );
    return { ...volume, containers: users.map(({ name }) => name) };
  });
}
