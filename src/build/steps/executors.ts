import type { BlobSink, BlobSource } from "../../image/index.ts";
import type { Executor } from "../executor.ts";
import type { LayerListener, LayerWriter } from "../layers/index.ts";
import { archiveExecutor } from "./archive.ts";
import { archiveTreeExecutor } from "./archive-tree.ts";
import { assembleExecutor } from "./assemble.ts";
import { baseExecutor, scratchExecutor } from "./base.ts";
import { bootstrapRootExecutor, bootstrapSettleExecutor } from "./bootstrap.ts";
import { carveExecutor, surfaceExecutor } from "./carve.ts";
import { contextExecutor } from "./context-tree.ts";
import { copyExecutor } from "./copy.ts";
import { filesExecutor } from "./files.ts";
import { orFound } from "./found-layer.ts";
import { gitExecutor } from "./git.ts";
import { httpExecutors } from "./http.ts";
import { imageExecutor, indexExecutor, reasonsExecutor } from "./image.ts";
import { inlineExecutor } from "./inline.ts";
import { layerExecutor } from "./layer.ts";
import { overlayExecutor } from "./overlay.ts";
import { packagesExecutor } from "./packages.ts";
import { recompressExecutor } from "./recompress.ts";
import { bootstrapResolveExecutor, lockedExecutor, resolveExecutor } from "./resolve.ts";
import { runExecutor } from "./run.ts";
import { selectExecutor } from "./select.ts";
import { simulateExecutor, simulationRootsExecutor } from "./simulate.ts";
import { workdirExecutor } from "./workdir.ts";

/**
 * An executor for every kind of step that the front ends make; results go into `blobs`.
 *
 * @param cacheDirectory - where what packages and addresses come to is kept for other stores
 * @param writeLayer - writes layers into `blobs`
 * @param listener - hears of layers that are written in another way
 * @param expectLayer - told that a layer will soon be to write
 */
export function standardExecutors(
  blobs: BlobSink & BlobSource,
  cacheDirectory: string,
  writeLayer: LayerWriter,
  listener?: LayerListener,
  expectLayer?: () => void,
): Executor[] {
  const changing = (executor: Executor): Executor => orFound(executor, blobs, cacheDirectory);
  return [
    archiveExecutor,
    resolveExecutor,
    lockedExecutor,
    packagesExecutor,
    bootstrapResolveExecutor,
    bootstrapRootExecutor,
    bootstrapSettleExecutor,
    filesExecutor,
    simulateExecutor,
    simulationRootsExecutor,
    overlayExecutor,
    scratchExecutor,
    baseExecutor,
    contextExecutor,
    archiveTreeExecutor(blobs),
    inlineExecutor,
    selectExecutor,
    changing(workdirExecutor),
    changing(copyExecutor),
    gitExecutor,
    changing(runExecutor(blobs, listener)),
    ...httpExecutors(blobs, cacheDirectory),
    recompressExecutor(blobs),
    assembleExecutor(blobs),
    surfaceExecutor,
    carveExecutor(blobs, expectLayer),
    layerExecutor(writeLayer, expectLayer),
    imageExecutor(blobs),
    reasonsExecutor(blobs),
    indexExecutor(blobs),
  ];
}
