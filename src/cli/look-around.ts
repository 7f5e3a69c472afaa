import type { DockerfileOptions } from "../project/index.ts";
import type { VerbContext } from "./verb.ts";

type Failed = NonNullable<DockerfileOptions["failed"]>;
type FailedRun = Parameters<Failed>[0];

/** Shells by the names that people give them, and where else a tree may have one. */
const shells: readonly (readonly string[])[] = [
  ["/bin/sh"],
  ["/bin/bash"],
  ["/bin/ash"],
  ["/busybox/sh"],
  ["/bin/busybox", "sh"],
  ["/usr/bin/busybox", "sh"],
];

/**
 * What lets a person look around where a RUN failed: a shell with the command's files, environment, user and mounts.
 * At a terminal it is interactive, else it reads commands from standard input. One at a time; when a second command
 * fails meanwhile, its turn comes afterwards.
 *
 * @param command - as the person gave it; `sh` stands for whichever shell there is
 */
export function lookAround(command: string, context: VerbContext): Failed {
  let turn = Promise.resolve();
  return (failed) => {
    turn = turn.then(() => look(command, failed, context));
    return turn;
  };
}

async function look(command: string, { error, tree, look }: FailedRun, context: VerbContext): Promise<void> {
  context.endProgress();
  const asked = command.split(/\s+/).filter((word) => word !== "");
  const args = asked.join(" ") === "sh" ? shellIn(tree) : asked;
  const [headline = ""] = error.message.split("\n");
  if (args === undefined) {
    context.err(`${headline}\nThere is no shell in its files to look around with.\n`);
    return;
  }
  const where = error.at === undefined ? "" : ` (${error.at.file}:${error.at.line})`;
  context.err(
    `${headline}${where}\nLook around with ${args.join(" ")}; what you change is thrown away afterwards.\n`,
  );
  const status = await look(args).catch((problem: unknown) => {
    context.err(`${(problem as Error).message}\n`);
    return undefined;
  });
  if (status !== undefined) context.err(`${args[0]} ended with status ${status}\n`);
}

function shellIn(tree: FailedRun["tree"]): readonly string[] | undefined {
  return shells.find(([path = ""]) => {
    const { entry } = tree.resolve(path);
    return entry?.type === "file" && (entry.mode & 0o111) !== 0;
  });
}
