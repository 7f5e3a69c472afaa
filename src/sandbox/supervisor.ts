import { WhittleError } from "../io/index.ts";
import { startContainer } from "./container.ts";
import type { SupervisorReply, SupervisorRequest } from "./detached.ts";
import { LogWriter } from "./log.ts";
import { removeContainer } from "./remove.ts";
import { containerDirectory } from "./state.ts";

// The process that stays with a detached container: it keeps its output, checks its health, answers its ports and
// records its end. The request comes over the channel from the process that was asked to run it.
process.once("message", (request: SupervisorRequest) => void supervise(request));
for (const name of ["SIGINT", "SIGHUP", "SIGPIPE"] as const) process.on(name, () => undefined);

async function supervise({ image, options }: SupervisorRequest): Promise<void> {
  const early: [Buffer, "stdout" | "stderr"][] = [];
  let log: LogWriter | undefined;
  const unwanted = new AbortController();
  const giveUp = (): void => unwanted.abort();
  process.on("SIGTERM", giveUp);
  try {
    const container = await startContainer(image, options, {
      streams: {
        stdin: options.terminal ? "hold" : "ignore",
        output: (chunk, stream) => {
          if (log === undefined) early.push([chunk, stream]);
          else log.write(chunk, stream);
        },
      },
      work: {
        progress: (event) => {
          if (event.kind === "warning") void reply({ kind: "warning", text: event.text });
        },
        signal: unwanted.signal,
      },
      prepared: (id) => {
        log = new LogWriter(containerDirectory(id), options.log);
        for (const [chunk, stream] of early.splice(0)) log.write(chunk, stream);
      },
    });
    if (unwanted.signal.aborted) {
      // Nobody has heard of it yet, so nobody else would take it down.
      await container.exited;
      await removeContainer(container.state(), process.env, { volumes: true });
      unwanted.signal.throwIfAborted();
    }
    process.off("SIGTERM", giveUp);
    process.on("SIGTERM", () => void container.stop());
    await reply({ kind: "started", id: container.id });
    if (process.connected) process.disconnect();
    await container.exited;
    log?.close();
  } catch (error) {
    await reply(failure(error));
    process.exit(1);
  }
}

/** Resolves when the answer is on its way, or nobody listens. */
function reply(message: SupervisorReply): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected && process.send !== undefined) {
      process.send(message, undefined, undefined, () => resolve());
    } else resolve();
  });
}

function failure(error: unknown): SupervisorReply {
  const message = error instanceof Error ? error.message : String(error);
  const known = error instanceof WhittleError ? error : undefined;
  return {
    kind: "failed",
    code: known?.code ?? "INTERNAL",
    message: known === undefined ? `Internal error: ${message}` : message,
    ...(known?.hint === undefined ? {} : { hint: known.hint }),
  };
}
