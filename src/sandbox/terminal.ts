import type { CommandLine } from "./driver.ts";

/**
 * A command line that runs under a terminal of its own: script(1) makes one, and passes on what is typed, the
 * window's size and the exit status.
 */
export function underTerminal(line: CommandLine): CommandLine {
  return ["script", "--quiet", "--return", "--flush", "--command", line.map(quote).join(" "), "/dev/null"];
}

/** A word as sh(1) reads it. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
