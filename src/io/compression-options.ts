import { WhittleError } from "./errors.ts";

export interface CompressionOptions {
  /** gzip 1 to 9 (default 5), zstd 1 to 19 (default 3). */
  readonly level?: number;
  readonly signal?: AbortSignal;
}

/** @throws WhittleError `USAGE` for a level that the form does not have */
export function checkedLevel(form: string, level: number, highest: number): number {
  if (Number.isInteger(level) && level >= 1 && level <= highest) return level;
  throw new WhittleError(
    "USAGE",
    `Cannot compress with ${form} at level ${level}: a whole number from 1 to ${highest} is wanted`,
  );
}
