export type { FailedRun, RunLocal, RunMount, RunParameters } from "../run/parameters.ts";
export type { Account } from "./accounts.ts";
export type { ArchiveLocal, ArchiveParameters } from "./archive.ts";
export { archiveStep } from "./archive.ts";
export { archiveTreeStep } from "./archive-tree.ts";
export type { AssembleParameters, BaseLayer } from "./assemble.ts";
export { assembleStep } from "./assemble.ts";
export type { BaseLocal } from "./base.ts";
export { baseStep, scratchStep } from "./base.ts";
export type { BootstrapRequest, BootstrapSteps } from "./bootstrap.ts";
export { bootstrapSteps } from "./bootstrap.ts";
export { carveStep, surfaceStep } from "./carve.ts";
export type { FilteredContext } from "./context-tree.ts";
export { contextStep } from "./context-tree.ts";
export type { CopiedSource, CopyLocal, CopyParameters } from "./copy.ts";
export { copyStep } from "./copy.ts";
export { standardExecutors } from "./executors.ts";
export type { PlacedFile } from "./files.ts";
export { filesStep } from "./files.ts";
export {
  changesTrees,
  foundLayer,
  foundOutcome,
  layerStack,
  unseenOutcome,
  unseenSource,
} from "./found-layer.ts";
export type { GitStepLocal } from "./git.ts";
export { gitStep } from "./git.ts";
export type { HttpLocal, HttpParameters, HttpRecord } from "./http.ts";
export { httpStep } from "./http.ts";
export type { ImageRecord } from "./image.ts";
export { imageStep, indexStep, reasonsStep } from "./image.ts";
export type { InlineFile } from "./inline.ts";
export { inlineStep } from "./inline.ts";
export { askedCompression, layerOutcome, layerStep } from "./layer.ts";
export type { LayeredValue } from "./layered-value.ts";
export { overlayStep } from "./overlay.ts";
export { packagesStep } from "./packages.ts";
export { recompressStep } from "./recompress.ts";
export type { ResolveParameters } from "./resolve.ts";
export { bootstrapResolveStep, lockedStep, resolveStep } from "./resolve.ts";
export { runStep } from "./run.ts";
export type { SelectLocal, SelectParameters } from "./select.ts";
export { selectStep } from "./select.ts";
export type { SimulationRecord } from "./simulate.ts";
export { simulateStep } from "./simulate.ts";
export type { TreeValue } from "./tree-value.ts";
export type { WorkdirLocal, WorkdirParameters } from "./workdir.ts";
export { workdirStep } from "./workdir.ts";
