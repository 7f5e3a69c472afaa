import type { Descriptor, LayerRecord } from "../../image/index.ts";

/** Hears of the layers that a build writes, of each once; not of those that the store had. */
export interface LayerListener {
  /**
   * A layer has begun to grow in a file, which has that name until it is whole or given up.
   *
   * @param written - what it comes to, once the store has it; rejected when it comes to nothing
   */
  grows(file: string, written: Promise<Descriptor>): void;
  /** The store has a layer of whose file nothing was said. */
  written(layer: Descriptor): void;
}

/** Writes a layer as a listener, if there is one, can hear it. */
export async function heard(
  listener: LayerListener | undefined,
  write: (growing?: (file: string) => void) => Promise<LayerRecord>,
): Promise<LayerRecord> {
  if (listener === undefined) return write();
  const { promise, resolve, reject } = Promise.withResolvers<Descriptor>();
  // It may be that nobody waits for it.
  promise.catch(() => undefined);
  let told = false;
  try {
    const layer = await write((file) => {
      // Who failed may be followed by another who writes the same layer; to hear of that at its end is enough.
      if (told) return;
      told = true;
      listener.grows(file, promise);
    });
    resolve(layer.descriptor);
    if (!told) listener.written(layer.descriptor);
    return layer;
  } catch (error) {
    reject(error);
    throw error;
  }
}
