/**
 * Whittle as a library: read a project, build it into a store, look at what was built.
 *
 * ```ts
 * import { buildProject, openStore, quietWork, readProject } from "whittle";
 *
 * const store = await openStore("images", { create: true });
 * const project = await readProject("examples/api-simulator");
 * const [image] = await buildProject(project, { ...quietWork, store, environment: process.env });
 * ```
 *
 * @packageDocumentation
 */
export type { Carved, Evidence, How, Need, Reason, Root } from "./carve/index.ts";
export { carve, Reasons, standardEvidence } from "./carve/index.ts";
export type { Descriptor, ImageConfig, Index, Manifest, Platform } from "./image/index.ts";
export { formatPlatform, mediaTypes, openImage, parsePlatform, parseReference } from "./image/index.ts";
export type { Content, Digest, ErrorCode, Progress, ProgressEvent, Work } from "./io/index.ts";
export { errorCodes, noProgress, quietWork, WhittleError } from "./io/index.ts";
export type { BuildOptions, BuiltImage, BuiltPlatform, Project } from "./project/index.ts";
export { buildProject, readProject } from "./project/index.ts";
export type { Store } from "./store/index.ts";
export { openStore, readFrom, writeTo } from "./store/index.ts";
export type { Entry, Origin, TreePath } from "./tree/index.ts";
export { Tree, TreeBuilder } from "./tree/index.ts";
