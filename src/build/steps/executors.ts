import { join } from "node:path";
import type { BlobSink, BlobSource } from "../../image/index.ts";
import { deflatedBlocks } from "../../io/index.ts";
import type { Executor } from "../executor.ts";
import { archiveExecutor, lockedExecutor, resolveExecutor } from "./archive.ts";
import { carveExecutor, surfaceExecutor } from "./carve.ts";
import { filesExecutor } from "./files.ts";
import { imageExecutor, indexExecutor, reasonsExecutor } from "./image.ts";
import { layerExecutor } from "./layer.ts";
import { overlayExecutor } from "./overlay.ts";
import { packagesExecutor } from "./packages.ts";
import { simulateExecutor, simulationRootsExecutor } from "./simulate.ts";

/**
 * An executor for every kind of step that the front ends make; results go into `blobs`.
 *
 * @param cacheDirectory - where what packages come to is kept for other stores
 */
export function standardExecutors(blobs: BlobSink & BlobSource, cacheDirectory: string): Executor[] {
  const deflated = deflatedBlocks(join(cacheDirectory, "deflated"));
  return [
    archiveExecutor,
    resolveExecutor,
    lockedExecutor,
    packagesExecutor,
    filesExecutor,
    simulateExecutor,
    simulationRootsExecutor,
    overlayExecutor,
    surfaceExecutor,
    carveExecutor(blobs),
    layerExecutor(blobs, deflated),
    imageExecutor(blobs),
    reasonsExecutor(blobs),
    indexExecutor(blobs),
  ];
}
