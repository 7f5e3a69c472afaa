import { type ChildProcess, spawn } from "node:child_process";
import { type Environment, type ErrorCode, WhittleError, type Work } from "../io/index.ts";
import { entryFile } from "./entries.ts";
import type { RunnableImage, RunOptions } from "./options.ts";
import { type ContainerState, findContainer } from "./state.ts";

/** What the supervisor is asked for. */
export interface SupervisorRequest {
  readonly image: RunnableImage;
  readonly options: RunOptions;
}

/** What the supervisor answers. */
export type SupervisorReply =
  | { readonly kind: "warning"; readonly text: string }
  | { readonly kind: "started"; readonly id: string }
  | {
      readonly kind: "failed";
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint?: string;
    };

/**
 * Starts a container that goes on when this process ends, with a supervisor process of its own. When `work.signal` is
 * aborted before it runs, nothing is left of it.
 *
 * @throws WhittleError what the supervisor met, see `startContainer`
 */
export async function startDetached(
  image: RunnableImage,
  options: RunOptions,
  work: Work,
  environment: Environment = process.env,
): Promise<ContainerState> {
  work.signal.throwIfAborted();
  const child = spawn(process.execPath, [entryFile("supervisor")], {
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    env: environment as NodeJS.ProcessEnv,
    cwd: "/",
  });
  const ended = endOf(child);
  const abort = (): void => void child.kill("SIGTERM");
  work.signal.addEventListener("abort", abort);
  try {
    const id = await new Promise<string>((resolve, reject) => {
      child.on("message", (reply: SupervisorReply) => {
        if (reply.kind === "warning") work.progress(reply);
        else if (reply.kind === "started") resolve(reply.id);
        else {
          const { code, message, hint } = reply;
          reject(new WhittleError(code, message, hint === undefined ? {} : { hint }));
        }
      });
      child.once("error", reject);
      void ended.then(() => {
        reject(new WhittleError("CONTAINER_FAILED", "Cannot start the container: its supervisor ended"));
      });
      child.send({ image, options } satisfies SupervisorRequest);
    });
    return await findContainer(id, environment);
  } catch (error) {
    if (!work.signal.aborted) throw error;
    await ended;
    throw work.signal.reason;
  } finally {
    work.signal.removeEventListener("abort", abort);
    if (child.connected) child.disconnect();
    child.unref();
  }
}

/** Resolves when a process has ended and all that it said was heard, which may be later. */
function endOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("error", () => resolve());
    child.once("exit", () => {
      if (child.connected) child.once("disconnect", resolve);
      else resolve();
    });
  });
}
