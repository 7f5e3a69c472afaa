import type { Digest } from "../io/index.ts";
import type { BlobSink } from "./types.ts";

/** A blob that is put into a sink chunk by chunk, by somebody who has another use for the chunks at the same time. */
export class KeptBlob {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #added: Promise<{ readonly digest: Digest; readonly size: number }>;

  constructor(sink: BlobSink) {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    this.#writer = writable.getWriter();
    this.#added = sink.add(readable);
    // Failures are told to whoever puts the next chunk or waits for the end.
    this.#added.catch(() => undefined);
    this.#writer.closed.catch(() => undefined);
  }

  /** Hands over a chunk, which nobody may write to any more, as soon as there is room for it. */
  async put(chunk: Uint8Array): Promise<void> {
    try {
      await this.#writer.ready;
    } catch (error) {
      // The sink went away: it knows why.
      await this.#added;
      throw error;
    }
    this.#writer.write(chunk).catch(() => undefined);
  }

  async end(): Promise<{ readonly digest: Digest; readonly size: number }> {
    this.#writer.close().catch(() => undefined);
    return this.#added;
  }

  /** Leaves nothing in the sink. */
  async abort(reason: unknown): Promise<void> {
    await this.#writer.abort(reason).catch(() => undefined);
    await this.#added.catch(() => undefined);
  }
}
