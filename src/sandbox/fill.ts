import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { WhittleError, type Work } from "../io/index.ts";
import { writeTar } from "../tar/index.ts";
import { type Entry, type Tree, writeTree } from "../tree/index.ts";
import { subordinateIds } from "./machine.ts";
import { asNamespaceRoot, type Privilege } from "./privilege.ts";
import { runQuietly } from "./signal.ts";
import { isMark, isWhiteout } from "./upper.ts";

/**
 * Makes a tree real in a new directory, with the owners that this privilege can give. An ordinary user has tar(1)
 * do it in a user namespace, where subordinate ids are there to be given; devices are left out there.
 *
 * @throws WhittleError `DISK_FULL`, `PERMISSION`; `ENVIRONMENT`, as for an overlay's marks on a file system that is
 *   an overlay itself
 */
export async function fillDirectory(
  tree: Tree,
  directory: string,
  privilege: Privilege,
  work: Work,
): Promise<void> {
  if (privilege === "root") {
    const { skipped } = await writeTree(tree, directory, { owner: "keep", signal: work.signal });
    const refused = skipped.find((path) => isMark(tree.get(path)));
    if (refused === undefined) return;
    throw new WhittleError("ENVIRONMENT", `Cannot put an overlay's mark at ${refused} in ${directory}`);
  }
  await mkdir(directory);
  const most = privilege === "subordinate" ? subordinateIds() : 0;
  const entries = [...tree.entries()]
    .filter(([, entry]) => canBeMade(entry))
    .map(([path, entry]) => [path, ownedWithin(entry, most)] as const);
  await extract(writeTar(entries, { signal: work.signal }), directory, privilege);
}

/** Removes a directory whose files may belong to subordinate ids. */
export async function removeDirectoryAs(directory: string, privilege: Privilege): Promise<void> {
  if (privilege === "root") await rm(directory, { recursive: true, force: true });
  else await runQuietly([...asNamespaceRoot(privilege), "rm", "-rf", "--", directory]);
}

/** A user namespace gives no devices, but the mark for what is gone is none (overlayfs.rst). */
function canBeMade(entry: Entry): boolean {
  return entry.type !== "block" && (entry.type !== "character" || isWhiteout(entry));
}

const nobody = 65534;

/** The ids that exist in the user namespace are 0 to `most`. */
function ownedWithin(entry: Entry, most: number): Entry {
  const within = (id: number): number => (id <= most ? id : Math.min(nobody, most));
  if (entry.uid <= most && entry.gid <= most) return entry;
  return { ...entry, uid: within(entry.uid), gid: within(entry.gid) };
}

const mostWords = 2000;

async function extract(
  tar: AsyncIterable<Uint8Array>,
  directory: string,
  privilege: Privilege,
): Promise<void> {
  const line = [
    ...asNamespaceRoot(privilege),
    "tar",
    ...["--extract", "--preserve-permissions", "--same-owner", "--numeric-owner"],
    ...["--xattrs", "--xattrs-include=*", "--delay-directory-restore"],
    ...["--directory", directory, "--file", "-"],
  ];
  const [file = "", ...args] = line;
  const child = spawn(file, args, { stdio: ["pipe", "ignore", "pipe"] });
  let words = "";
  child.stderr.on("data", (chunk: Buffer) => {
    words += chunk.toString("utf8").slice(0, mostWords - words.length);
  });
  const ended = once(child, "close") as Promise<[number | null]>;
  try {
    await Promise.all([ended, pipeline(Readable.from(tar, { objectMode: false }), child.stdin)]);
  } catch (error) {
    child.kill("SIGKILL");
    await ended.catch(() => undefined);
    // A broken pipe is what follows; what tar says is why.
    if (words === "") throw error;
  }
  if (child.exitCode === 0) return;
  throw new WhittleError(
    words.includes("No space left") ? "DISK_FULL" : "ENVIRONMENT",
    `Cannot put files into ${directory}: ${words.trim().split("\n").at(0) ?? "tar failed"}`,
  );
}
