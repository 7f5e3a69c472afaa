import { corrupt } from "./failure.ts";
import { padded } from "./header.ts";
import { defaultLimits, type TarHeader, type TarLimits, type TarMember } from "./member.ts";
import { fillHoles } from "./sparse.ts";
import { walkTar } from "./walk.ts";

/** A stream that gives as many bytes as are asked for. */
class ByteQueue {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  position = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Exactly `length` bytes where they are at hand already. */
  takeNow(length: number): Buffer | undefined {
    if (this.#chunk.length < length) return undefined;
    return this.#cut(length);
  }

  /** Exactly `length` bytes; nothing when the stream has ended before the first of them. */
  async take(length: number): Promise<Buffer | undefined> {
    while (this.#chunk.length < length) {
      const next = await this.#source.next();
      if (next.done === true) {
        if (this.#chunk.length === 0) return undefined;
        throw corrupt("it ends early", this.position);
      }
      this.#chunk = this.#chunk.length === 0 ? next.value : Buffer.concat([this.#chunk, next.value]);
    }
    return this.#cut(length);
  }

  /** At most `most` bytes, at least one; nothing at the end. */
  async some(most: number): Promise<Buffer | undefined> {
    while (this.#chunk.length === 0) {
      const next = await this.#source.next();
      if (next.done === true) return undefined;
      this.#chunk = next.value;
    }
    return this.#cut(Math.min(most, this.#chunk.length));
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      const chunk = await this.some(left);
      if (chunk === undefined) throw corrupt("it ends early", this.position);
      left -= chunk.length;
    }
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  #cut(length: number): Buffer {
    const part = this.#chunk.subarray(0, length);
    this.#chunk = this.#chunk.subarray(length);
    this.position += length;
    return Buffer.from(part.buffer, part.byteOffset, part.byteLength);
  }
}

/**
 * Reads an archive from a stream, in whatever chunks it comes. The body of a member can be read until the next
 * member is asked for; what was left of it is passed over. The stream is read to its very end, so that whoever
 * verifies it has seen all of it.
 *
 * @throws WhittleError `ARCHIVE_CORRUPT` when it breaks the format or ends early, `ARCHIVE_HOSTILE` beyond `limits`
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  options: { readonly limits?: Partial<TarLimits> } = {},
): AsyncGenerator<TarMember, void, undefined> {
  const queue = new ByteQueue(source);
  const walk = walkTar({ ...defaultLimits, ...options.limits });
  try {
    let step = walk.next();
    while (step.done !== true) {
      if ("take" in step.value) {
        const { take } = step.value;
        step = walk.next(queue.takeNow(take) ?? (await queue.take(take)));
        continue;
      }
      if ("skip" in step.value) {
        await queue.skip(step.value.skip);
        step = walk.next();
        continue;
      }
      const { member } = step.value;
      const stored = new StoredBytes(queue, member);
      yield { ...member, body: stored.body() };
      await stored.skip();
      step = walk.next();
    }
    while ((await queue.some(Number.MAX_SAFE_INTEGER)) !== undefined);
  } finally {
    await queue.close();
  }
}

/** The stored bytes of one member: read by the body, the rest skipped. */
class StoredBytes {
  readonly #queue: ByteQueue;
  readonly #member: TarHeader;
  #left: number;

  constructor(queue: ByteQueue, member: TarHeader) {
    this.#queue = queue;
    this.#member = member;
    this.#left = member.stored;
  }

  body(): AsyncIterable<Uint8Array> {
    const { sparse, size } = this.#member;
    return sparse === undefined ? this.#bytes() : fillHoles(this.#bytes(), sparse, size);
  }

  async skip(): Promise<void> {
    const left = this.#left + padded(this.#member.stored) - this.#member.stored;
    this.#left = 0;
    await this.#queue.skip(left);
  }

  async *#bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    while (this.#left > 0) {
      const chunk = await this.#queue.some(this.#left);
      if (chunk === undefined) throw corrupt("it ends early", this.#queue.position);
      this.#left -= chunk.length;
      yield chunk;
    }
  }
}
