import { WhittleError } from "../io/index.ts";

/** An archive that breaks its format; `at` is the byte where the offending header begins. */
export function corrupt(found: string, at: number): WhittleError {
  return new WhittleError("ARCHIVE_CORRUPT", `Cannot read the archive at byte ${at}: ${found}`);
}

/** An archive that asks for what no honest one needs. */
export function hostile(found: string, at: number): WhittleError {
  return new WhittleError("ARCHIVE_HOSTILE", `Cannot accept the archive at byte ${at}: ${found}`);
}
