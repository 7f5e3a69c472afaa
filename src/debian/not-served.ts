import { HttpStatus } from "../http/index.ts";
import { WhittleError } from "../io/index.ts";

/** The server has another version of the file: one of another length. */
export class OtherLength extends Error {}

/** Whether an error says that the server does not have what was asked for: nothing, or another version of it. */
export function isNotServed(error: unknown): boolean {
  if (!(error instanceof WhittleError)) return false;
  const { cause } = error;
  return (
    cause instanceof OtherLength ||
    (cause instanceof HttpStatus && (cause.status === 404 || cause.status === 410))
  );
}
