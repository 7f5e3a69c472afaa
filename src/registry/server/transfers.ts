import type { Digest } from "../../io/index.ts";
import type { Store } from "../../store/index.ts";

// Leases last an hour; whoever needs longer than this between two requests has given up.
const renewAfter = 20 * 60 * 1000;
const abandonedAfter = 24 * 60 * 60 * 1000;
const mostPending = 100_000;

/**
 * What clients are in the middle of: blobs that they pushed, or found to be here, and did not name yet, and manifests
 * that they were given and whose blobs they fetch. Nothing collects them as long as bytes go in or out for their
 * repository: a layer may take hours after the first one. The leases on them say for which repository they are, so a
 * server that was started again knows them from those.
 */
export class Transfers {
  readonly #store: Store;
  // Repositories in the order in which something was last expected of them.
  readonly #pending = new Map<string, Map<Digest, number>>();
  readonly #renewed = new Map<string, number>();
  #count = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Takes up what was under way when the server before this one ended. */
  async restore(now = Date.now()): Promise<void> {
    for (const { digest, holder, since } of await this.#store.leases()) {
      if (holder !== undefined && since > now - abandonedAfter) this.#remember(holder, [digest], since);
    }
  }

  /** To be said before a client is told that a blob is here, or is given a manifest. */
  async expect(repository: string, digests: readonly Digest[], now = Date.now()): Promise<void> {
    this.#remember(repository, digests, now);
    await this.#store.lease(digests, repository);
  }

  /** Bytes go in or out for a repository: what was begun there before is still going to be ended. */
  goesOn(repository: string, now = Date.now()): void {
    const pending = this.#pending.get(repository);
    if (pending === undefined || (this.#renewed.get(repository) ?? 0) > now - renewAfter) return;
    this.#renewed.set(repository, now);
    this.#forget(
      repository,
      [...pending].filter(([, since]) => since <= now - abandonedAfter).map(([digest]) => digest),
    );
    // Who cannot write leases cannot take pushes either, and is told so then.
    void this.#store.lease(pending.keys(), repository).catch(() => undefined);
  }

  /** Does something that may take hours, in which bytes go in or out for a repository. */
  async during<T>(repository: string, act: () => Promise<T>): Promise<T> {
    this.goesOn(repository);
    const beat = setInterval(() => this.goesOn(repository), renewAfter / 2);
    try {
      return await act();
    } finally {
      clearInterval(beat);
    }
  }

  /** A manifest came: what it leads to has a name now. */
  named(repository: string, digests: Iterable<Digest>): void {
    this.#forget(repository, digests);
  }

  #remember(repository: string, digests: readonly Digest[], since: number): void {
    const pending = this.#pending.get(repository) ?? new Map<Digest, number>();
    const before = pending.size;
    for (const digest of digests) pending.set(digest, since);
    this.#count += pending.size - before;
    this.#pending.delete(repository);
    this.#pending.set(repository, pending);
    // Their leases stay, and are renewed no more.
    for (const [oldest, { size }] of this.#pending) {
      if (this.#count <= mostPending) break;
      this.#count -= size;
      this.#pending.delete(oldest);
      this.#renewed.delete(oldest);
    }
  }

  #forget(repository: string, digests: Iterable<Digest>): void {
    const pending = this.#pending.get(repository);
    if (pending === undefined) return;
    for (const digest of digests) if (pending.delete(digest)) this.#count -= 1;
    if (pending.size > 0) return;
    this.#pending.delete(repository);
    this.#renewed.delete(repository);
  }
}
