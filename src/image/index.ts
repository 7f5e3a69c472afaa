export type {
  BlobSink,
  BlobSource,
  ContainerConfig,
  Descriptor,
  Healthcheck,
  History,
  ImageConfig,
  Index,
  LayerRecord,
  Manifest,
  Platform,
} from "./types.ts";
export { mediaTypes } from "./types.ts";
