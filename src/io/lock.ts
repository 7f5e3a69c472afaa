import { randomBytes } from "node:crypto";
import { open, readdir, rename, stat, unlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeDirectories } from "./directories.ts";
import { explainSystemError, isSystemError } from "./errors.ts";
import { isAlive, type ProcessIdentity, thisProcess } from "./process-identity.ts";

export interface LockOptions {
  readonly signal?: AbortSignal;
  /** Several may hold it together as long as nobody holds it alone. */
  readonly shared?: boolean;
  /** What it is wanted for, as the words after "Cannot" (default: "lock PATH"). */
  readonly doing?: string;
}

/**
 * Runs `fn` while holding a lock that all processes of the machine respect; who asks first comes first. A process
 * that dies holding it, by whatever signal, gives it up with that.
 *
 * It is Lamport's bakery with files for tickets. `path` is a directory (made when missing). Whoever wants the lock
 * puts a file there that says "choosing", looks for the highest ticket, renames the file to the next one, and
 * waits until nobody is choosing and every conflicting earlier ticket is gone. File names carry the process, so
 * the tickets of the dead are known and can be removed by anyone at any time: no name is ever used twice.
 *
 * @throws WhittleError `PERMISSION`, `DISK_FULL`, `ENVIRONMENT` when the directory cannot be used; the reason of
 *   `signal` when it fires while waiting
 */
export async function withLock<Result>(
  path: string,
  fn: () => Promise<Result>,
  options: LockOptions = {},
): Promise<Result> {
  const lock = await holdLock(path, options);
  try {
    return await fn();
  } finally {
    await lock.release();
  }
}

/** A lock that is held until it is released. */
export interface HeldLock {
  release(): Promise<void>;
}

/** Waits for a lock as {@link withLock} does, and holds it. */
export async function holdLock(path: string, options: LockOptions = {}): Promise<HeldLock> {
  const held = await hold(path, options, async (ticket) => {
    await turn(path, ticket, options.signal);
    return true;
  });
  if (held === undefined) throw new Error("Internal error: a lock was waited for and not had");
  return held;
}

/** Holds a lock as {@link holdLock} does when nobody stands in the way; answers with nothing when somebody does. */
export function tryLock(
  path: string,
  options: Omit<LockOptions, "signal"> = {},
): Promise<HeldLock | undefined> {
  return hold(path, options, (ticket) => isClear(path, ticket));
}

async function hold(
  path: string,
  { shared = false, doing = `lock ${path}` }: LockOptions,
  mayEnter: (ticket: Ticket) => Promise<boolean>,
): Promise<HeldLock | undefined> {
  const ticket = await takeTicket(path, shared).catch((error: unknown) => {
    // The ticket's own name means nothing to anyone.
    throw explainSystemError(isSystemError(error) ? Object.assign(error, { path }) : error, doing);
  });
  const file = join(path, formatTicket(ticket));
  const beat = setInterval(() => utimes(file, new Date(), new Date()).catch(() => undefined), heartbeat);
  beat.unref();
  const release = async (): Promise<void> => {
    clearInterval(beat);
    await unlink(file).catch(() => undefined);
  };
  try {
    if (await mayEnter(ticket)) return { release };
  } catch (error) {
    await release();
    throw error;
  }
  await release();
  return undefined;
}

interface Ticket {
  /** 0 while its owner is choosing. */
  readonly number: number;
  readonly shared: boolean;
  readonly owner: ProcessIdentity;
  readonly random: string;
}

const heartbeat = 20_000;
// The owner of a ticket from another process namespace cannot be looked at; its heartbeat can.
const mostSilence = 5 * 60_000;
const shortestWait = 4;
const longestWait = 50;

function formatTicket({ number, shared, owner, random }: Ticket): string {
  const parts = [
    number,
    shared ? "shared" : "alone",
    owner.pid,
    owner.start,
    owner.boot,
    owner.namespace,
    random,
  ];
  return parts.join(".");
}

function parseTicket(name: string): Ticket | undefined {
  const match = /^(\d+)\.(shared|alone)\.(\d+)\.(\d+)\.([0-9a-f]+)\.(\d+)\.([0-9a-f]+)$/.exec(name);
  if (match === null) return undefined;
  const [, number, mode, pid, start = "", boot = "", namespace = "", random = ""] = match;
  const owner = { pid: Number(pid), start, boot, namespace };
  return { number: Number(number), shared: mode === "shared", owner, random };
}

async function takeTicket(path: string, shared: boolean): Promise<Ticket> {
  const choosing: Ticket = {
    number: 0,
    shared,
    owner: thisProcess(),
    random: randomBytes(8).toString("hex"),
  };
  const file = join(path, formatTicket(choosing));
  const create = async (): Promise<void> => (await open(file, "wx", 0o644)).close();
  await create().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    await makeDirectories(path);
    await create();
  });
  try {
    const highest = Math.max(0, ...(await tickets(path)).map((other) => other.number));
    const ticket = { ...choosing, number: highest + 1 };
    await rename(file, join(path, formatTicket(ticket)));
    return ticket;
  } catch (error) {
    await unlink(file).catch(() => undefined);
    throw error;
  }
}

async function tickets(path: string): Promise<Ticket[]> {
  return (await readdir(path)).map(parseTicket).filter((ticket) => ticket !== undefined);
}

/** Waits until nobody who comes first is left. */
async function turn(path: string, own: Ticket, signal: AbortSignal | undefined): Promise<void> {
  let wait = shortestWait;
  // A listing may miss a file that is renamed meanwhile; the next one cannot miss the same one again.
  for (let clear = 0; clear < 2; ) {
    signal?.throwIfAborted();
    if (await isFree(path, own)) {
      clear++;
      continue;
    }
    clear = 0;
    await sleep(wait, undefined, signal === undefined ? {} : { signal });
    wait = Math.min(longestWait, wait * 2);
  }
}

async function isFree(path: string, own: Ticket): Promise<boolean> {
  return (await firstBefore(path, own)) === undefined;
}

/** Whether nobody comes first; whoever is still choosing is waited for, which takes no time worth the name. */
async function isClear(path: string, own: Ticket): Promise<boolean> {
  for (let clear = 0; clear < 2; ) {
    const other = await firstBefore(path, own);
    if (other === undefined) clear++;
    else if (other.number > 0) return false;
    else await sleep(1);
  }
  return true;
}

/** Somebody who comes first and lives. */
async function firstBefore(path: string, own: Ticket): Promise<Ticket | undefined> {
  let choosing: Ticket | undefined;
  for (const other of await tickets(path)) {
    if (!comesBefore(other, own)) continue;
    const file = join(path, formatTicket(other));
    if (await isAbandoned(file, other)) await unlink(file).catch(() => undefined);
    else if (other.number > 0) return other;
    else choosing = other;
  }
  return choosing;
}

function comesBefore(other: Ticket, own: Ticket): boolean {
  if (other.random === own.random) return false;
  if (other.number === 0) return true;
  if (other.shared && own.shared) return false;
  return other.number < own.number || (other.number === own.number && other.random < own.random);
}

async function isAbandoned(file: string, ticket: Ticket): Promise<boolean> {
  const alive = isAlive(ticket.owner);
  if (alive !== "unknown") return !alive;
  const found = await stat(file).catch(() => undefined);
  return found === undefined || Date.now() - found.mtimeMs > mostSilence;
}
