import { randomBytes } from "node:crypto";
import { appendFile, readdir, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, explainSystemError, isDigest, makeDirectories, withLock } from "../io/index.ts";
import { emptyWhenMissing, isMissing } from "./blobs.ts";

// As long as garbage collection leaves young blobs alone by itself.
const lasts = 60 * 60 * 1000;
const renewedBefore = lasts / 2;
// A file of so many lines that say nothing any more is written anew.
const mostIdleLines = 10_000;

/**
 * Blobs that somebody is about to name, or is being sent: they stay for an hour from when that was last said, whatever
 * names them and however old they are. Each process appends to a file of its own, a line for a blob; lines outlive
 * their process, because whoever pushed to a server that was killed goes on when it is back.
 *
 * Who takes a lease and who deletes exclude each other: after a lease was taken, a blob that is there stays there.
 */
export class Leases {
  readonly #directory: string;
  readonly #file: string;
  readonly #until = new Map<Digest, number>();
  #lines = 0;
  #waiting = new Set<Digest>();
  #writing: Promise<void> = Promise.resolve();

  constructor(store: string) {
    this.#directory = leasesDirectory(store);
    this.#file = join(this.#directory, `${process.pid}-${randomBytes(6).toString("hex")}`);
  }

  /** Keeps blobs for an hour from now. Cheap where that was said not long ago. */
  async take(digests: Iterable<Digest>, now = Date.now()): Promise<void> {
    for (const digest of digests) {
      if ((this.#until.get(digest) ?? 0) <= now + renewedBefore) this.#waiting.add(digest);
    }
    if (this.#waiting.size === 0) return;
    // All that ask while the file is being written are written together by the next one; the others find nothing to do.
    const written = this.#writing.then(() => this.#flush());
    this.#writing = written.catch(() => undefined);
    await written;
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting;
    if (batch.size === 0) return;
    this.#waiting = new Set();
    try {
      await makeDirectories(this.#directory);
      await withLock(lockOf(this.#directory), () => this.#write(batch), { shared: true });
    } catch (error) {
      // Somebody else may count on this one to write what is theirs.
      for (const digest of batch) this.#waiting.add(digest);
      throw explainSystemError(error, `write to ${this.#directory}`);
    }
  }

  async #write(digests: ReadonlySet<Digest>): Promise<void> {
    const now = Date.now();
    const lines = [...digests].map((digest) => [digest, now + lasts] as const);
    await appendFile(this.#file, linesOf(lines));
    for (const [digest, until] of lines) this.#until.set(digest, until);
    this.#lines += lines.length;
    if (this.#lines > this.#until.size + mostIdleLines) await this.#rewrite(now);
  }

  async #rewrite(now: number): Promise<void> {
    for (const [digest, until] of this.#until) if (until <= now) this.#until.delete(digest);
    const unfinished = `${this.#file}.new`;
    await writeFile(unfinished, linesOf(this.#until));
    await rename(unfinished, this.#file);
    this.#lines = this.#until.size;
  }
}

/** The blobs of a store that are leased now. */
export async function leased(store: string, now = Date.now()): Promise<Set<Digest>> {
  const directory = leasesDirectory(store);
  const found = new Set<Digest>();
  for (const name of await files(directory)) {
    const text = await readFile(join(directory, name), "utf8").catch(textWhenMissing);
    for (const line of text.split("\n")) {
      const [until, digest = ""] = line.split(" ");
      // The last line of a process that was killed may be half of one.
      if (isDigest(digest) && Number(until) > now) found.add(digest);
    }
  }
  return found;
}

/** Does something while nobody can take a lease, with the leases that there are. */
export async function whileNobodyLeases<T>(
  store: string,
  act: (leased: ReadonlySet<Digest>) => Promise<T>,
): Promise<T> {
  return withLock(lockOf(leasesDirectory(store)), async () => act(await leased(store)));
}

/** Deletes files of which no line says anything any more. */
export async function sweepLeases(store: string, now = Date.now()): Promise<void> {
  const directory = leasesDirectory(store);
  for (const name of await files(directory)) {
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || found.mtimeMs + lasts > now) continue;
    await unlink(path).catch(() => undefined);
  }
}

function leasesDirectory(store: string): string {
  return join(store, "leases");
}

function lockOf(directory: string): string {
  return join(directory, "lock");
}

async function files(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(emptyWhenMissing);
  return names.filter((name) => /^\d+-[0-9a-f]+$/.test(name)).sort();
}

function linesOf(leases: Iterable<readonly [Digest, number]>): string {
  return [...leases].map(([digest, until]) => `${until} ${digest}\n`).join("");
}

function textWhenMissing(error: unknown): string {
  if (isMissing(error)) return "";
  throw error;
}
