import { Option } from "commander";
import { type ContainerState, formatPublished, isAttended, listContainers } from "../../sandbox/index.ts";
import { formatTable } from "../format.ts";
import { printable } from "../paint.ts";
import type { VerbModule } from "../verb.ts";

interface Flags {
  readonly all?: boolean;
  readonly quiet?: boolean;
  readonly format: string;
}

export const command: VerbModule = {
  define(command, run) {
    command
      .option("-a, --all", "those that have ended as well")
      .option("-q, --quiet", "print ids only")
      .addOption(new Option("--format <form>", "how to print").choices(["table", "json"]).default("table"))
      .addHelpText("after", "\nExamples:\n  whittle ps\n  whittle ps --all --format json\n")
      .action((flags: Flags) =>
        run(async ({ out, environment, progress }) => {
          const all = await listContainers(environment);
          const shown = flags.all
            ? all
            : all.filter(({ status }) => status !== "exited" && status !== "created");
          if (flags.quiet) for (const { id } of shown) out(`${id.slice(0, 12)}\n`);
          else if (flags.format === "json") out(`${JSON.stringify(shown.map(asJson), undefined, 2)}\n`);
          else out(asTable(shown));
          for (const { name } of shown.filter(isAbandoned)) {
            progress({
              kind: "warning",
              text: `${name} runs, but its supervisor was killed: nobody keeps its output or answers its ports; whittle stop ${name} ends it`,
            });
          }
          return 0;
        }),
      );
  },
};

function isAbandoned(state: ContainerState): boolean {
  return state.status === "running" && !isAttended(state);
}

/** A container as `ps --format json` tells of it. */
function asJson(state: ContainerState): Record<string, unknown> {
  return {
    id: state.id,
    name: state.name,
    image: state.image,
    digest: state.digest ?? null,
    platform: state.platform,
    command: state.command,
    status: state.status,
    attended: state.status === "exited" ? null : isAttended(state),
    health: state.health?.status ?? null,
    exitCode: state.exitCode ?? null,
    pid: state.status === "running" ? (state.process?.pid ?? null) : null,
    created: state.created,
    started: state.started ?? null,
    finished: state.finished ?? null,
    ports: state.ports,
    driver: state.driver,
    pod: state.pod ?? null,
    aliases: state.aliases,
    restarts: state.restarts,
    mounts: state.mounts,
    labels: state.labels,
  };
}

function asTable(states: readonly ContainerState[]): string {
  return formatTable(
    ["ID", "NAME", "POD", "IMAGE", "COMMAND", "STATUS", "PORTS"].map((title) => ({ title })),
    states.map((state) => [
      state.id.slice(0, 12),
      state.name,
      state.pod ?? "",
      printable(state.image),
      shorten(printable(state.command.join(" "))),
      describeStatus(state),
      state.status === "running" && !isAbandoned(state) ? state.ports.map(formatPublished).join(", ") : "",
    ]),
  );
}

function describeStatus(state: ContainerState): string {
  const health = state.health === undefined ? "" : ` (${state.health.status})`;
  switch (state.status) {
    case "created":
      return "Created";
    case "running":
      return `Up ${since(state.started)}${isAbandoned(state) ? " (unattended)" : health}`;
    case "restarting":
      return `Restarting (${state.exitCode ?? "?"}) ${since(state.finished)} ago`;
    case "exited":
      return `Exited (${state.exitCode ?? "?"})${state.finished === undefined ? "" : ` ${since(state.finished)} ago`}`;
  }
}

/** How long ago a moment was, in one unit. */
function since(moment: string | undefined): string {
  const seconds = Math.max(0, (Date.now() - Date.parse(moment ?? "")) / 1000) || 0;
  const [unit, size] = (
    [
      ["day", 86_400],
      ["hour", 3600],
      ["minute", 60],
      ["second", 1],
    ] as const
  ).find(([, length]) => seconds >= length) ?? ["second", 1];
  const count = Math.floor(seconds / size);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
