/** Buffers of one size that go round. */
export interface SpareBuffers {
  /** A buffer that nobody else uses, with anything in it. */
  take(): Buffer;
  /** To be called by who is done with one; who forgets it does no harm. */
  giveBack(buffer: Buffer): void;
}

/**
 * Keeps buffers for those who come next: fresh memory costs more than what is mostly done with it, reading into it, and
 * once it is garbage the collector has to look for it.
 *
 * @param size - of each, in bytes
 * @param most - how many are kept while nobody uses them
 * @param make - makes one where there is none
 */
export function spareBuffers(
  size: number,
  most: number,
  make = (): Buffer => Buffer.allocUnsafeSlow(size),
): SpareBuffers {
  const spare: Buffer[] = [];
  return {
    take: () => spare.pop() ?? make(),
    giveBack(buffer) {
      if (spare.length < most && !spare.includes(buffer)) spare.push(buffer);
    },
  };
}
