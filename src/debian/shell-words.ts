/**
 * Finds the simple commands of a shell script that run a program, as lists of the words after its name. Nothing is
 * executed: words in quotes are taken as they are, variables that the script sets to one plain value are filled
 * in, and a command in which anything else would have to be computed is left out.
 */
export function commandsNamed(script: string, program: string): string[][] {
  if (!script.includes(program)) return [];
  const lines = script.replace(/\\\n/g, " ").split("\n");
  const variables = plainVariables(lines);
  // A function of the script that runs its arguments: `in_sysroot adduser …`.
  const functions = new Set([...script.matchAll(/^\s*(\w+)\s*\(\)/gm)].map(([, name]) => name));
  const isBefore = (word: string): boolean => beforeCommand.test(word) || functions.has(word);
  const found: string[][] = [];
  for (const line of lines.filter((one) => one.includes(program))) {
    for (const words of commandsOf(line, variables)) {
      const at = words.findIndex((word) => word === program || word.endsWith(`/${program}`));
      if (at === -1 || !words.slice(0, at).every(isBefore)) continue;
      const rest = words.slice(at + 1);
      if (rest.every((word) => !word.includes("$") && !word.includes("`"))) found.push(rest);
    }
  }
  return found;
}

// What may stand before the name of a command without changing what it is given.
const beforeCommand = /^(?:if|then|else|elif|!|\{|do|env|exec|[A-Z_]+=\S*)$/;

/** Variables that the script sets exactly once, to a value without anything to compute. */
function plainVariables(lines: readonly string[]): ReadonlyMap<string, string> {
  const variables = new Map<string, string | undefined>();
  for (const line of lines) {
    const match = /^\s*([A-Za-z_]\w*)=(?:"([^"$`\\]*)"|'([^']*)'|([^\s"'$`;|&()<>\\]*))\s*(?:#.*|;.*)?$/.exec(
      line,
    );
    const name = match?.[1] ?? /(?:^|[\s;])([A-Za-z_]\w*)=/.exec(line)?.[1];
    if (name === undefined) continue;
    const value = match === null ? undefined : (match[2] ?? match[3] ?? match[4]);
    variables.set(name, variables.has(name) ? undefined : value);
  }
  return new Map([...variables].flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** The simple commands of one line, split into words. */
function commandsOf(line: string, variables: ReadonlyMap<string, string>): string[][] {
  const commands: string[][] = [[]];
  const token = /\s+|#.*$|(&&|\|\||[;|&()])|((?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\;|&()])+)|(["'\\])/gy;
  let start = true;
  for (const match of line.matchAll(token)) {
    const [whole, separator, word, broken] = match;
    if (broken !== undefined) return [];
    if (separator !== undefined) commands.push([]);
    else if (word !== undefined) commands.at(-1)?.push(unquoted(word, variables));
    else if (whole.startsWith("#") && !start) return commands;
    start = /^\s/.test(whole);
  }
  return commands;
}

/** A word without its quotes. What would have to be computed keeps its `$`. */
function unquoted(word: string, variables: ReadonlyMap<string, string>): string {
  const fill = (text: string): string =>
    text.replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
      return variables.get(braced ?? bare ?? "") ?? whole;
    });
  return word.replace(
    /"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)|([^"'\\]+)/g,
    (_whole, double?: string, single?: string, escaped?: string, plain?: string) => {
      if (double !== undefined) return fill(double).replace(/\\([$`"\\])/g, "$1");
      return single ?? escaped ?? fill(plain ?? "");
    },
  );
}
