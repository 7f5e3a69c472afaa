import { createHash, type Hash, randomBytes } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { explainSystemError, makeDirectories, syncDirectory, WhittleError, type Work } from "../io/index.ts";
import type { HttpClient } from "./http.ts";

/** A file whose length and digest are known before it is fetched. */
export interface WantedFile {
  readonly url: string;
  /** Where it goes. */
  readonly path: string;
  readonly size: number;
  /** Hex digits. */
  readonly sha256: string;
  /** For a person: "nginx 1.26.3-3 (amd64)". */
  readonly label: string;
  /** What it is one of many of, for a person: "download packages (amd64)". */
  readonly group?: string;
}

/**
 * Makes sure that a file is there, by downloading it where it is not. It appears under its name only once its
 * bytes have proved right; what an interrupted transfer got is kept and goes on next time. Any number of
 * processes may do this at once.
 *
 * @throws WhittleError `ARCHIVE_UNTRUSTED` when the bytes are wrong twice in a row, `NETWORK`, `DISK_FULL`
 */
export async function fetchFile(file: WantedFile, client: HttpClient, work: Work): Promise<void> {
  if (isThere(file)) return;
  const id = `fetch:${file.sha256}`;
  const group = file.group === undefined ? {} : { group: file.group };
  work.progress({ kind: "start", id, label: `download ${file.label}`, totalBytes: file.size, ...group });
  try {
    if (!(await attempt(file, client, work, id)) && !(await attempt(file, client, work, id))) {
      throw new WhittleError(
        "ARCHIVE_UNTRUSTED",
        `Cannot accept ${file.label} from ${file.url}: its SHA256 is not ${file.sha256}`,
        { hint: "the mirror or a proxy on the way serves damaged files; choose another mirror" },
      );
    }
    work.progress({ kind: "done", id, outcome: "done" });
  } catch (error) {
    work.progress({ kind: "done", id, outcome: work.signal.aborted ? "cancelled" : "failed" });
    throw explainSystemError(error, `write ${file.path}`);
  }
}

/** Asked at once: the way through the thread pool takes longer than the answer, and there are many files. */
function isThere({ path, size }: WantedFile): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.size === size;
  } catch {
    return false;
  }
}

/** Downloads once; answers whether the bytes were right. */
async function attempt(file: WantedFile, client: HttpClient, work: Work, id: string): Promise<boolean> {
  const part = await claimPart(file);
  const hash = createHash("sha256");
  let at = await hashExisting(part, hash, file.size);
  const handle = await open(part, at === 0 ? "w" : "a", 0o644);
  try {
    for await (const chunk of client.download(file.url, { size: file.size, from: at, signal: work.signal })) {
      hash.update(chunk);
      await handle.writeFile(chunk);
      at += chunk.length;
      work.progress({ kind: "bytes", id, bytes: at, totalBytes: file.size });
    }
    await handle.sync();
  } catch (error) {
    await handle.close();
    // The name without a process in it is there for whoever comes next.
    await (at > 0 ? rename(part, `${file.path}.part`) : rm(part, { force: true })).catch(() => undefined);
    throw error;
  }
  await handle.close();
  if (hash.digest("hex") !== file.sha256) {
    await rm(part, { force: true });
    return false;
  }
  await rename(part, file.path);
  await syncDirectory(dirname(file.path));
  return true;
}

/** Takes over what an earlier process left, if anything; the answer is this process's own name for it. */
async function claimPart(file: WantedFile): Promise<string> {
  const directory = dirname(file.path);
  await makeDirectories(directory);
  const own = `${file.path}.${process.pid}-${randomBytes(4).toString("hex")}.part`;
  const prefix = `${basename(file.path)}.`;
  const names = (await readdir(directory)).filter(
    (name) => name.startsWith(prefix) && name.endsWith(".part") && isAbandoned(name.slice(prefix.length)),
  );
  for (const name of names.sort()) {
    // Only one of several processes can win a rename.
    const won = await rename(join(directory, name), own).then(
      () => true,
      () => false,
    );
    if (won) break;
  }
  return own;
}

function isAbandoned(rest: string): boolean {
  const pid = Number(/^(\d+)-[0-9a-f]+\.part$/.exec(rest)?.[1] ?? 0);
  if (pid === 0) return rest === "part";
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** Feeds what is there to the hash; something as long as the whole, or longer, is thrown away. */
async function hashExisting(path: string, hash: Hash, size: number): Promise<number> {
  const there = await stat(path).catch(() => undefined);
  if (there === undefined || there.size >= size) return 0;
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return there.size;
}
