/** A part of a zstd frame; `last` where the frame ends with it. */
export interface FramePart {
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

const skippableMagic = 0x184d2a50;

/** What comes next in a frame: a field of a known length, whose bytes decide what follows, or bytes that do not. */
type Stage = "magic" | "descriptor" | "header" | "block" | "body" | "checksum" | "skipSize" | "skip";

/** Follows the lengths inside zstd frames (RFC 8878, 3.1.1). */
class FrameWalk {
  stage: Stage = "magic";
  /** Bytes of the present stage that are still to come. */
  left = 4;
  #value = 0;
  #shift = 0;
  #checksum = false;
  #lastBlock = false;

  /** Takes in up to `left` bytes; answers whether a frame ended with them. */
  feed(bytes: Uint8Array): boolean {
    this.left -= bytes.length;
    if (this.stage !== "body" && this.stage !== "header" && this.stage !== "skip") {
      for (const byte of bytes) {
        this.#value += byte * 2 ** this.#shift;
        this.#shift += 8;
      }
    }
    let ended = false;
    while (this.left === 0 && !ended) ended = this.#advance();
    return ended;
  }

  #advance(): boolean {
    const value = this.#value;
    switch (this.stage) {
      case "magic":
        return Math.floor(value / 16) === skippableMagic / 16
          ? this.#go("skipSize", 4)
          : this.#go("descriptor", 1);
      case "skipSize":
        return this.#go("skip", value);
      case "descriptor": {
        this.#checksum = (value & 4) !== 0;
        const single = (value & 0x20) !== 0;
        const dictionary = [0, 1, 2, 4][value & 3] ?? 0;
        const size = [single ? 1 : 0, 2, 4, 8][value >> 6] ?? 0;
        return this.#go("header", (single ? 0 : 1) + dictionary + size);
      }
      case "header":
        return this.#go("block", 3);
      case "block":
        this.#lastBlock = (value & 1) === 1;
        // A run (type 1) is stored as one byte whatever its length.
        return this.#go("body", ((value >> 1) & 3) === 1 ? 1 : value >> 3);
      case "body":
        if (!this.#lastBlock) return this.#go("block", 3);
        return this.#checksum ? this.#go("checksum", 4) : this.#go("magic", 4, true);
      default:
        return this.#go("magic", 4, true);
    }
  }

  #go(stage: Stage, length: number, ended = false): boolean {
    this.stage = stage;
    this.left = length;
    this.#value = 0;
    this.#shift = 0;
    return ended;
  }
}

/**
 * Cuts a stream of zstd frames where they meet, because Node's decoder stops after the first. Only lengths are
 * looked at: damage is found by the decoder. Skippable frames come out as they are.
 */
export async function* zstdFrames(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<FramePart, void, undefined> {
  const walk = new FrameWalk();
  for await (const chunk of source) {
    let start = 0;
    let at = 0;
    while (at < chunk.length) {
      const end = Math.min(chunk.length, at + walk.left);
      const ended = walk.feed(chunk.subarray(at, end));
      at = end;
      if (ended) {
        yield { bytes: chunk.subarray(start, at), last: true };
        start = at;
      }
    }
    if (start < chunk.length) yield { bytes: chunk.subarray(start), last: false };
  }
}
