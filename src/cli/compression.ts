import { WhittleError } from "../io/index.ts";

export const compressionTypes = ["gzip", "zstd", "none"] as const;

/** How layers are compressed. */
export interface Compression {
  readonly type: (typeof compressionTypes)[number];
  readonly level?: number;
}

/**
 * Reads `--compression gzip|zstd|none[:LEVEL]`.
 *
 * @throws WhittleError `USAGE`
 */
export function parseCompression(text: string): Compression {
  const match = /^(gzip|zstd|none)(?::(\d{1,2}))?$/.exec(text);
  const type = compressionTypes.find((candidate) => candidate === match?.[1]);
  const most = type === "zstd" ? 22 : 9;
  const level = match?.[2] === undefined ? undefined : Number(match[2]);
  if (type === undefined || (level !== undefined && level > most)) {
    throw new WhittleError(
      "USAGE",
      `Cannot compress with "${text}": gzip[:0-9], zstd[:1-22] or none is wanted`,
    );
  }
  return { type, ...(level === undefined ? {} : { level }) };
}
