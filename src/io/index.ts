export type { AtomicWriteOptions } from "./atomic.ts";
export { syncDirectory, writeFileAtomically } from "./atomic.ts";
export { inBlocks } from "./blocks.ts";
export type { CompressionOptions } from "./compression-options.ts";
export type { ByteRange, Content } from "./content.ts";
export { bytesContent, contentDigest, emptyContent, fileContent, readContent, readText } from "./content.ts";
export type { CompressedForm, DecompressOptions } from "./decompression.ts";
export { compressedForm, decompress, endIdleDecompressors } from "./decompression.ts";
export type { DeflatedBlock, DeflatedBlocks, DeflatedKey, KnownBlocks } from "./deflated-blocks.ts";
export { deflatedBlocks } from "./deflated-blocks.ts";
export type { Digest } from "./digest.ts";
export {
  canonicalJson,
  digestAlgorithm,
  digestHex,
  digestOfJson,
  isDigest,
  parseDigest,
  sha256,
} from "./digest.ts";
export { makeDirectories } from "./directories.ts";
export type { ErrorCode, SourceLocation, WhittleErrorOptions } from "./errors.ts";
export { errorCodes, explainSystemError, isSystemError, located, redact, WhittleError } from "./errors.ts";
export type { TakeBytes } from "./file-pieces.ts";
export { filePieces } from "./file-pieces.ts";
export { type FileStamp, stampText } from "./file-stamp.ts";
export type { GzipFile, GzipPiece, GzipPiecesOptions } from "./gzip.ts";
export { gzip, gzipPieces } from "./gzip.ts";
export { returnLargeMemory } from "./large-memory.ts";
export type { HeldLock, LockOptions } from "./lock.ts";
export { holdLock, tryLock, withLock } from "./lock.ts";
export { OpenFiles } from "./open-files.ts";
export { isWholePages, pagePieceSize, pagePieces, pageSize } from "./page-memory.ts";
export type { Environment } from "./paths.ts";
export {
  cacheDirectory,
  configurationDirectory,
  dataDirectory,
  runtimeDirectory,
  storeDirectory,
} from "./paths.ts";
export type { ProcessIdentity } from "./process-identity.ts";
export { isAlive, isRunning, thisProcess } from "./process-identity.ts";
export type { Progress, ProgressEvent, Work } from "./progress.ts";
export { noProgress, quietWork } from "./progress.ts";
export { readProven, writeProven } from "./proven-file.ts";
export type { SpareBuffers } from "./spare-buffers.ts";
export { spareBuffers } from "./spare-buffers.ts";
export { nearest } from "./suggest.ts";
export type { ChunkHash } from "./thread-hash.ts";
export { plainHash, threadHash } from "./thread-hash.ts";
export type { ThreadOptions } from "./threads.ts";
export { startThread } from "./threads.ts";
export type { Expected } from "./verify.ts";
export { Proof, verified } from "./verify.ts";
export { WriteBehind } from "./write-behind.ts";
export { zstd } from "./zstd.ts";
