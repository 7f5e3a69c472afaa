import type { Command } from "commander";
import { WhittleError } from "../../io/index.ts";
import { namesFor, verbsOfNames } from "../completion-names.ts";
import { createProgram } from "../global-options.ts";
import type { VerbModule } from "../verb.ts";
import { verbs } from "../verbs.ts";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = (typeof shells)[number];

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<shell>", "bash, zsh or fish")
      // `completion names -- WORDS…` is what the scripts ask while somebody types.
      .argument("[words...]")
      .usage("[options] <shell>")
      .configureHelp({
        ...command.configureHelp(),
        visibleArguments: ({ registeredArguments }) => registeredArguments.slice(0, 1),
      })
      .addHelpText(
        "after",
        '\nExamples:\n  eval "$(whittle completion bash)"\n  whittle completion fish > ~/.config/fish/completions/whittle.fish\n',
      )
      .action((shell: string, words: readonly string[]) =>
        run(async (context) => {
          if (shell === "names") {
            // Whoever types is not to be told of what is wrong with a store.
            const names = await namesFor(words, context).catch(() => []);
            context.out(names.map((name) => `${name}\n`).join(""));
            return 0;
          }
          if (words.length > 0) {
            throw new WhittleError(
              "USAGE",
              `Cannot complete for several shells: one of ${shells.join(", ")} is wanted`,
            );
          }
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

/** The script of a shell that completes verbs, their options, names of images and containers, and file names. */
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
  local line=\${COMP_LINE:0:COMP_POINT} word="" verb="" each words="" value="" cut=""
  local -a typed names
  # bash breaks words at colons, and images have them in their names.
  read -ra typed <<< "$line"
  [[ $line == *[[:space:]] ]] || { word=\${typed[-1]}; unset 'typed[-1]'; }
  for each in "\${typed[@]:1}"; do
    if [[ -n $value ]]; then value=""
    elif [[ $each == --store || $each == --progress || $each == --log-level ]]; then value=1
    elif [[ $each != -* ]]; then verb=$each; break
    fi
  done
  case $verb in
    "") words="${commands.map((each) => each.name).join(" ")}" ;;
${cases.join("\n")}
  esac
  case $verb in
    ${verbsOfNames.join("|")})
      [[ $word == -* ]] || mapfile -t names < <("\${typed[0]}" completion names -- "\${typed[@]:1}" 2>/dev/null) ;;
  esac
  if (( \${#names[@]} > 0 )); then
    [[ $COMP_WORDBREAKS == *:* ]] && cut=\${word%"\${word##*:}"}
    COMPREPLY=()
    for each in "\${names[@]}"; do
      [[ $each == "$word"* ]] && COMPREPLY+=("\${each#"$cut"}")
    done
    return 0
  fi
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
  local -a verbs flags names
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
  case $words[2] in
    ${verbsOfNames.join("|")})
      [[ $PREFIX == -* ]] || names=(\${(f)"$(whittle completion names -- "\${(@)words[2,CURRENT-1]}" 2>/dev/null)"}) ;;
  esac
  if (( $#names )); then
    compadd -- $names
    _files
    return
  fi
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
  const names = `complete -c whittle -n '__fish_seen_subcommand_from ${verbsOfNames.join(" ")}' -a '(whittle completion names -- (commandline -opc)[2..-1] 2>/dev/null)'`;
  return `# whittle completion for fish\n${lines.join("\n")}\n${names}\n`;
}
