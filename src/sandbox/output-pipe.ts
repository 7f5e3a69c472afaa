import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, unlinkSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { explainSystemError } from "../io/index.ts";

/** A pipe for a program's output. */
export interface OutputPipe {
  /** For the program; {@link closeEnd} closes it here once the program has it. */
  readonly end: number;
  /** Everything that is written, until nobody holds the other end. */
  readonly stream: Socket;
}

/**
 * Makes pipes of the kernel's own. Node connects a process by sockets, which open(2) refuses to open again, and servers
 * that log to `/dev/stdout` do that (as unix(7) and open(2), ENXIO, have it). Whoever has the end in the container may
 * open it, whatever number the user has there: nobody else can reach a name that is gone.
 *
 * @param directory - one that nobody else may look into; nothing stays there
 * @throws WhittleError `DISK_FULL`, `PERMISSION`, `ENVIRONMENT`
 */
export function openOutputPipes(directory: string, names: readonly string[]): OutputPipe[] {
  const paths = names.map((name) => join(directory, `.${name}`));
  try {
    execFileSync("mkfifo", ["-m", "666", ...paths]);
    return paths.map((path) => {
      // The reading end first: without a reader the other end cannot be opened.
      const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const end = openSync(path, constants.O_WRONLY);
      unlinkSync(path);
      return { end, stream: new Socket({ fd: reading, readable: true, writable: false }) };
    });
  } catch (error) {
    throw explainSystemError(error, `make pipes in ${directory}`);
  }
}

/** Closes this process's hold of the program's end, so that the stream ends when the program's does. */
export function closeEnd({ end }: OutputPipe): void {
  closeSync(end);
}
