import { randomBytes } from "node:crypto";
import { appendFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { readdir, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, explainSystemError, isDigest, isSystemError, withLock } from "../io/index.ts";
import { emptyWhenMissing, isMissing, withDirectory } from "./missing.ts";

// As long as garbage collection leaves young blobs alone by itself.
const lasts = 60 * 60 * 1000;
const renewedBefore = lasts / 2;
// A file of so many lines that say nothing any more is written anew.
const mostIdleLines = 10_000;
// What is in a file is remembered, to say nothing twice; after so many a process begins another one.
const mostRemembered = 50_000;

/** That a blob is to stay. */
export interface Lease {
  readonly digest: Digest;
  /** For whom, where that was said. */
  readonly holder?: string;
  /** When that was said last, in milliseconds since the epoch. */
  readonly since: number;
}

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
  /** What fails when nothing can be written, as the words after "Cannot". */
  readonly #doing: string;
  #file: string;
  // Until when, of each `DIGEST` or `DIGEST HOLDER`.
  readonly #until = new Map<string, number>();
  #lines = 0;

  constructor(store: string) {
    this.#directory = leasesDirectory(store);
    this.#doing = `keep blobs in the store ${store}`;
    this.#file = this.#newFile();
  }

  /** Keeps blobs for an hour from now. Cheap where that was said not long ago. */
  async take(digests: Iterable<Digest>, holder?: string, now = Date.now()): Promise<void> {
    const wanted = [...new Set(digests)]
      .map((digest) => (holder === undefined ? digest : `${digest} ${holder}`))
      .filter((lease) => (this.#until.get(lease) ?? 0) <= now + renewedBefore);
    if (wanted.length === 0) return;
    const text = linesOf(wanted.map((lease) => [lease, now + lasts]));
    try {
      await withDirectory(this.#directory, () => appendFileSync(this.#file, text));
      if (isAnybodyAt(lockOf(this.#directory))) await this.#takeInTurn(text);
    } catch (error) {
      // Where nothing can be written nothing is deleted either.
      if (isSystemError(error) && error.code === "EROFS") return;
      throw explainSystemError(error, this.#doing);
    }
    for (const lease of wanted) this.#until.set(lease, now + lasts);
    this.#lines += wanted.length;
    if (this.#until.size > mostRemembered) {
      this.#file = this.#newFile();
      this.#until.clear();
      this.#lines = 0;
    } else if (this.#lines > this.#until.size + mostIdleLines) this.#rewrite(now);
  }

  #newFile(): string {
    return join(this.#directory, `${process.pid}-${randomBytes(6).toString("hex")}`);
  }

  /** What was written may have gone with a file that is being swept away. */
  #takeInTurn(text: string): Promise<void> {
    const append = async (): Promise<void> => appendFileSync(this.#file, text);
    return withLock(lockOf(this.#directory), append, { shared: true, doing: this.#doing });
  }

  #rewrite(now: number): void {
    for (const [lease, until] of this.#until) if (until <= now) this.#until.delete(lease);
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
  const found = (await readLeases(store)).filter(({ since }) => since + lasts > now);
  return new Set(found.map(({ digest }) => digest));
}

/** All leases of which there is a line, in the order in which each process took them. */
export async function readLeases(store: string): Promise<Lease[]> {
  const directory = leasesDirectory(store);
  const found: Lease[] = [];
  for (const name of await files(directory)) {
    const text = await readFile(join(directory, name), "utf8").catch(textWhenMissing);
    for (const line of text.split("\n")) {
      const [until, digest = "", holder] = line.split(" ");
      // The last line of a process that was killed may be half of one.
      if (!isDigest(digest) || !/^\d+$/.test(until ?? "")) continue;
      const since = Number(until) - lasts;
      found.push({ digest, since, ...(holder === undefined ? {} : { holder }) });
    }
  }
  return found;
}

/** Does something while nobody can take a lease, with the leases that there are. */
export async function whileNobodyLeases<T>(
  store: string,
  act: (leased: ReadonlySet<Digest>) => Promise<T>,
): Promise<T> {
  const doing = `delete anything in the store ${store}`;
  return withLock(lockOf(leasesDirectory(store)), async () => act(await leased(store)), { doing });
}

/** Deletes files of which no line says anything any more. */
export async function sweepLeases(store: string, now = Date.now()): Promise<void> {
  const directory = leasesDirectory(store);
  const sweep = async (): Promise<void> => {
    for (const name of await files(directory)) {
      const path = join(directory, name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined || found.mtimeMs + lasts > now) continue;
      await unlink(path).catch(() => undefined);
    }
  };
  await withLock(lockOf(directory), sweep, { doing: `delete anything in the store ${store}` });
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

function linesOf(leases: Iterable<readonly [string, number]>): string {
  return [...leases].map(([lease, until]) => `${until} ${lease}\n`).join("");
}

function textWhenMissing(error: unknown): string {
  if (isMissing(error)) return "";
  throw error;
}
