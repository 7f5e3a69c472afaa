import { randomBytes } from "node:crypto";
import { appendFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { readdir, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, explainSystemError, isDigest, withLock } from "../io/index.ts";
import { emptyWhenMissing, isMissing, withDirectory } from "./blobs.ts";

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
 * Who takes a lease writes it and then looks whether anybody wants to delete; who deletes says so, by a ticket of the
 * lock, and then reads the leases. So one of the two sees the other, and nearly always nobody waits. After a lease was
 * taken, a blob that is there stays there.
 */
export class Leases {
  readonly #directory: string;
  readonly #file: string;
  readonly #until = new Map<Digest, number>();
  #lines = 0;

  constructor(store: string) {
    this.#directory = leasesDirectory(store);
    this.#file = join(this.#directory, `${process.pid}-${randomBytes(6).toString("hex")}`);
  }

  /** Keeps blobs for an hour from now. Cheap where that was said not long ago. */
  async take(digests: Iterable<Digest>, now = Date.now()): Promise<void> {
    const wanted = [...digests].filter((digest) => (this.#until.get(digest) ?? 0) <= now + renewedBefore);
    if (wanted.length === 0) return;
    const text = linesOf(wanted.map((digest) => [digest, now + lasts]));
    try {
      await withDirectory(this.#directory, () => appendFileSync(this.#file, text));
      if (isAnybodyAt(lockOf(this.#directory))) await this.#takeInTurn(text);
    } catch (error) {
      throw explainSystemError(error, `write to ${this.#directory}`);
    }
    for (const digest of wanted) this.#until.set(digest, now + lasts);
    this.#lines += wanted.length;
    if (this.#lines > this.#until.size + mostIdleLines) this.#rewrite(now);
  }

  /** What was written may have gone with a file that is being swept away. */
  #takeInTurn(text: string): Promise<void> {
    return withLock(lockOf(this.#directory), async () => appendFileSync(this.#file, text), { shared: true });
  }

  #rewrite(now: number): void {
    for (const [digest, until] of this.#until) if (until <= now) this.#until.delete(digest);
    const unfinished = `${this.#file}.new`;
    writeFileSync(unfinished, linesOf(this.#until));
    renameSync(unfinished, this.#file);
    this.#lines = this.#until.size;
  }
}

/** Whether anybody holds a lock or waits for it; one who died doing so is seen as well. */
function isAnybodyAt(lock: string): boolean {
  try {
    return readdirSync(lock).length > 0;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
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
  await withLock(lockOf(directory), async () => {
    for (const name of await files(directory)) {
      const path = join(directory, name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined || found.mtimeMs + lasts > now) continue;
      await unlink(path).catch(() => undefined);
    }
  });
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
