import type { Digest } from "../../io/index.ts";
import type { Store } from "../../store/index.ts";

// Leases last an hour; whoever needs longer than this between two requests has given up.
const renewAfter = 20 * 60 * 1000;
const abandonedAfter = 24 * 60 * 60 * 1000;
const mostPending = 100_000;

/**
 * Blobs that clients pushed, or found to be here, and did not name yet: nothing collects them as long as bytes come in
 * for their repository. A layer may take hours after the first one.
 */
export class Pushes {
  readonly #store: Store;
  readonly #pending = new Map<string, Map<Digest, number>>();
  readonly #renewed = new Map<string, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** To be said before a client is told that a blob is here. */
  async expect(repository: string, digests: readonly Digest[], now = Date.now()): Promise<void> {
    const pending = this.#pending.get(repository) ?? new Map<Digest, number>();
    if (pending.size + digests.length <= mostPending) {
      for (const digest of digests) pending.set(digest, now);
      this.#pending.set(repository, pending);
    }
    await this.#store.lease(digests);
  }

  /** Bytes come in for a repository: what was pushed there before is still going to be named. */
  goesOn(repository: string, now = Date.now()): void {
    const pending = this.#pending.get(repository);
    if (pending === undefined || (this.#renewed.get(repository) ?? 0) > now - renewAfter) return;
    this.#renewed.set(repository, now);
    for (const [digest, since] of pending) if (since < now - abandonedAfter) pending.delete(digest);
    // Who cannot write leases cannot take pushes either, and is told so then.
    void this.#store.lease(pending.keys()).catch(() => undefined);
  }

  /** A manifest came: what it leads to has a name now. */
  named(repository: string, digests: Iterable<Digest>): void {
    const pending = this.#pending.get(repository);
    if (pending === undefined) return;
    for (const digest of digests) pending.delete(digest);
    if (pending.size > 0) return;
    this.#pending.delete(repository);
    this.#renewed.delete(repository);
  }
}
