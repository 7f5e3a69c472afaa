import type { Command } from "commander";
import { WhittleError } from "../../io/index.ts";
import { createProgram } from "../global-options.ts";
import type { VerbModule } from "../verb.ts";
import { verbs } from "../verbs.ts";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = (typeof shells)[number];

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<shell>", "bash, zsh or fish")
      .addHelpText(
        "after",
        '\nExamples:\n  eval "$(whittle completion bash)"\n  whittle completion fish > ~/.config/fish/completions/whittle.fish\n',
      )
      .action((shell: string) =>
        run(async (context) => {
          const known = shells.find((candidate) => candidate === shell);
          if (known === undefined) {
            throw new WhittleError("USAGE", `Cannot complete for "${shell}": wanted ${shells.join(", ")}`);
          }
          context.out(completionScript(known, await describe()));
          return 0;
        }),
      );
  },
};

/** A verb with its long and short options. */
export interface Completable {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly { readonly flags: readonly string[]; readonly description: string }[];
}

/** Every verb with its options, as help knows them. */
export async function describe(): Promise<Completable[]> {
  const program = createProgram();
  return Promise.all(
    verbs.map(async (entry) => {
      const verb = program.command(entry.name);
      const module = entry.name === "completion" ? command : await entry.load();
      module.define(verb, async () => undefined);
      const options = [...optionsOf(verb), ...optionsOf(program)];
      return { name: entry.name, summary: entry.summary, options };
    }),
  );
}

function optionsOf(command: Command): Completable["options"] {
  return command.options.map((option) => ({
    flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
    description: option.description,
  }));
}

/** The script of a shell that completes verbs, their options, and file names. */
export function completionScript(shell: Shell, commands: readonly Completable[]): string {
  switch (shell) {
    case "bash":
      return bash(commands);
    case "zsh":
      return zsh(commands);
    default:
      return fish(commands);
  }
}

function bash(commands: readonly Completable[]): string {
  const cases = commands.map(
    ({ name, options }) => `    ${name}) words="${options.flatMap((option) => option.flags).join(" ")}" ;;`,
  );
  return `# whittle completion for bash
_whittle() {
  local word=\${COMP_WORDS[COMP_CWORD]} verb="" each words=""
  for each in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $each == -* ]] || { verb=$each; break; }
  done
  case $verb in
    "") words="${commands.map((each) => each.name).join(" ")}" ;;
${cases.join("\n")}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o bashdefault -o default -F _whittle whittle
`;
}

function zsh(commands: readonly Completable[]): string {
  const quoted = (text: string): string => text.replace(/'/g, "'\\''").replace(/:/g, "\\:");
  const verbsList = commands.map(({ name, summary }) => `    '${name}:${quoted(summary)}'`);
  const cases = commands.map(
    ({ name, options }) => `    ${name}) flags=(${options.flatMap((option) => option.flags).join(" ")}) ;;`,
  );
  return `#compdef whittle
_whittle() {
  local -a verbs flags
  verbs=(
${verbsList.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe 'verb' verbs
    return
  fi
  case $words[2] in
${cases.join("\n")}
  esac
  compadd -- $flags
  _files
}
compdef _whittle whittle
`;
}

function fish(commands: readonly Completable[]): string {
  const quoted = (text: string): string => text.replace(/\\/g, "\\\\").replace(/'/g, "\\'");
  const lines = commands.flatMap(({ name, summary, options }) => [
    `complete -c whittle -n __fish_use_subcommand -a ${name} -d '${quoted(summary)}'`,
    ...options.map(({ flags, description }) => {
      const words = flags.map((flag) =>
        flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
      );
      return `complete -c whittle -n '__fish_seen_subcommand_from ${name}' ${words.join(" ")} -d '${quoted(description)}'`;
    }),
  ]);
  return `# whittle completion for fish\n${lines.join("\n")}\n`;
}
