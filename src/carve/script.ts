import { readContent } from "../io/index.ts";
import type { Evidence, Need } from "./need.ts";
import { defaultPath } from "./roots.ts";

// The kernel looks at no more than this (BINPRM_BUF_SIZE, linux/binfmts.h).
const longestLine = 256;

/**
 * The interpreter on the `#!` line of an executable file (execve(2)); behind `env`, also the program that env
 * looks up in `PATH`, with its options and assignments passed over and the words of `-S` split.
 */
export function scriptEvidence(): Evidence {
  return {
    name: "script",
    async *needs(path, { tree, environment }) {
      const entry = tree.get(path);
      if (entry?.type !== "file" || (entry.mode & 0o111) === 0 || entry.content.size < 3) return;
      const head = (await readContent(entry.content, { start: 0, end: longestLine })).toString("utf8");
      const line = interpreterLine(head);
      if (line === undefined) return;
      const [interpreter = "", rest = ""] = split(line);
      if (!interpreter.startsWith("/")) return;
      yield need(interpreter, line);
      if (!/\/env$/.test(interpreter)) return;
      const program = envProgram(rest);
      if (program === undefined) return;
      if (program.startsWith("/")) yield need(program, line);
      else if (!program.includes("/")) {
        const directories = (environment["PATH"] ?? defaultPath).split(":");
        const found = directories
          .map((directory) => `${directory}/${program}`)
          .find((at) => at.startsWith("/") && tree.resolve(at).entry?.type === "file");
        yield need(found ?? `${directories.at(-1) ?? ""}/${program}`, line);
      }
    },
  };
}

function need(path: string, line: string): Need {
  return { path, how: { kind: "script-interpreter", line: `#!${line}` }, missing: "report" };
}

function interpreterLine(head: string): string | undefined {
  if (!head.startsWith("#!")) return undefined;
  // The kernel's strings end at a NUL.
  return (head.slice(2).split(/[\n\0]/)[0] ?? "").trim();
}

/** The kernel passes everything behind the interpreter as one argument. */
function split(line: string): [string, string] {
  const blank = line.search(/[ \t]/);
  return blank < 0 ? [line, ""] : [line.slice(0, blank), line.slice(blank).trim()];
}

/** The program that env(1) runs, from the one argument that the kernel gives it. */
function envProgram(argument: string): string | undefined {
  const splitting = /^(?:-[a-zA-Z]*S|--split-string=?)\s*(.*)$/.exec(argument)?.[1];
  // Without -S the whole argument is one word.
  const words = splitting === undefined ? [argument] : splitting.split(/\s+/);
  let i = 0;
  for (; i < words.length; i++) {
    const word = words[i] ?? "";
    if (/^(?:-u|--unset|-C|--chdir)$/.test(word)) i++;
    else if (!word.startsWith("-") && !/^[A-Za-z_]\w*=/.test(word)) break;
  }
  const program = words[i]?.replace(/^(["'])(.*)\1$/, "$2");
  return program === undefined || program === "" ? undefined : program;
}
