import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Image, readTree } from "../image/index.ts";
import { cacheDirectory, type Environment, type Work } from "../io/index.ts";
import type { RunnableImage } from "./options.ts";
import { snapshot } from "./snapshot.ts";

/**
 * Makes an image ready to be run: its files are on disk, once for all containers of it.
 *
 * @param name - what the person calls it
 */
export async function runnableImage(
  image: Image,
  name: string,
  work: Work,
  environment: Environment = process.env,
): Promise<RunnableImage> {
  const [config, platform] = await Promise.all([image.config(), image.platform()]);
  const { digest } = image.descriptor;
  const unpacked = join(cacheDirectory(environment), "tmp", randomBytes(8).toString("hex"));
  try {
    const files = await snapshot(digest, () => readTree(image, { unpacked, work }), work, environment);
    return { name, digest, platform, config: config.config ?? {}, ...files };
  } finally {
    await rm(unpacked, { recursive: true, force: true });
  }
}
