export type { LayerListener } from "./listener.ts";
export { heard } from "./listener.ts";
export type { LayerThread } from "./thread.ts";
export { layerThread } from "./thread.ts";
export type { Compression, LayerWriter } from "./writer.ts";
export { layerWriter } from "./writer.ts";
