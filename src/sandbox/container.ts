import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Environment, WhittleError, type Work } from "../io/index.ts";
import { runtimeFailure, startFailure } from "./failure.ts";
import { type HealthWatch, watchHealth } from "./health.ts";
import { readOr } from "./machine.ts";
import type { RunnableImage, RunOptions } from "./options.ts";
import { announce } from "./pod.ts";
import type { PublishedPort } from "./ports.ts";
import { type Prepared, prepareContainer } from "./prepare.ts";
import { defaultPath } from "./process.ts";
import { Publication } from "./publish.ts";
import { clearDirectory, removeDirectory } from "./remove.ts";
import { signalContainer, stopContainer } from "./signal.ts";
import { type ContainerState, identify, isAlive, writeState } from "./state.ts";
import { underTerminal } from "./terminal.ts";

/** Where a container's standard streams go. */
export interface ContainerStreams {
  /** `inherit` gives it that of this process; `hold` keeps it open with nothing ever to read. */
  readonly stdin: "inherit" | "ignore" | "hold";
  readonly output: "inherit" | ((chunk: Buffer, stream: "stdout" | "stderr") => void);
}

/** Where and how a container is started. */
export interface StartOptions {
  readonly streams: ContainerStreams;
  readonly work: Work;
  readonly environment?: Environment;
  /** Is told the container's id when its directory is there and nothing runs yet. */
  readonly prepared?: (id: string) => void;
}

/** A container that has been started by this process. */
export interface RunningContainer {
  readonly id: string;
  readonly name: string;
  /** With the numbers that were chosen for ports given as 0. */
  readonly ports: readonly PublishedPort[];
  /** What is known of it now. */
  state(): ContainerState;
  /** The exit status of its program (128 + n after signal n), when it has ended and everything is tidied up. */
  readonly exited: Promise<number>;
  /** Sends a signal to its first process. */
  signal(name: NodeJS.Signals): Promise<void>;
  /** Asks it to end, and ends it after so many seconds (default 10). Answers with the exit status. */
  stop(seconds?: number): Promise<number>;
}

/**
 * Starts a container of an image and answers once its program runs and its ports are answered. When `work.signal`
 * is aborted the container is killed.
 *
 * @throws WhittleError `CONTAINER_FAILED` when the program cannot be started; `USAGE`, `NOT_FOUND`,
 *   `ENVIRONMENT` or `PERMISSION` when the request cannot work
 */
export async function startContainer(
  image: RunnableImage,
  options: RunOptions,
  { streams, work, environment = process.env, prepared: tell }: StartOptions,
): Promise<RunningContainer> {
  const publication = await Publication.bind(options.network === "host" ? [] : (options.publish ?? []));
  try {
    const prepared = await prepareContainer(image, options, work, environment);
    tell?.(prepared.state.id);
    return await new Start(prepared, image, publication, streams, work, environment).begin();
  } catch (error) {
    publication.close();
    throw error;
  }
}

/** One container from its start to its end. */
class Start implements RunningContainer {
  readonly #prepared: Prepared;
  readonly #image: RunnableImage;
  readonly #publication: Publication;
  readonly #streams: ContainerStreams;
  readonly #work: Work;
  readonly #environment: Environment;
  #state: ContainerState;
  #health: HealthWatch | undefined;
  exited: Promise<number> = Promise.resolve(0);

  constructor(
    prepared: Prepared,
    image: RunnableImage,
    publication: Publication,
    streams: ContainerStreams,
    work: Work,
    environment: Environment,
  ) {
    this.#prepared = prepared;
    this.#image = image;
    this.#publication = publication;
    this.#streams = streams;
    this.#work = work;
    this.#environment = environment;
    this.#state = { ...prepared.state, ports: publication.ports };
  }

  get id(): string {
    return this.#state.id;
  }

  get name(): string {
    return this.#state.name;
  }

  get ports(): readonly PublishedPort[] {
    return this.#state.ports;
  }

  state(): ContainerState {
    return this.#state;
  }

  async begin(): Promise<this> {
    const { bundle, setup, pod } = this.#prepared;
    const child = this.#spawn();
    const ended = endOf(child);
    const abort = (): void => void this.signal("SIGKILL").catch(() => undefined);
    this.#work.signal.addEventListener("abort", abort);
    const first = this.#firstProcess(child);
    this.exited = Promise.all([ended, first])
      .then(([code]) => this.#finish(code))
      .finally(() => {
        this.#work.signal.removeEventListener("abort", abort);
      });
    // Whoever awaits the start hears of a failure there.
    this.exited.catch(() => undefined);

    const pid = await first;
    if (pid === undefined) {
      const reason = runtimeFailure(join(bundle.directory, "runtime.log"));
      const code = await ended;
      await this.exited;
      await removeDirectory(this.#state, this.#environment);
      throw startFailure(
        this.#image.name,
        this.#state,
        reason ?? `${setup.driver.name} ended with status ${code}`,
      );
    }
    await this.#update({ status: "running", process: pid, started: new Date().toISOString() });
    if (this.#work.signal.aborted) abort();
    try {
      await this.#publication.forwardTo(pid.pid, setup.privilege);
    } catch (error) {
      // A program that has ended already is no failure to publish.
      if (isAlive(pid)) {
        await this.stop(0);
        throw error;
      }
    }
    if (pod !== undefined) await announce(pod, this.name, this.#environment);
    this.#health = watchHealth(this.#state, this.#image.config.Healthcheck, this.#environment, (health) =>
      this.#update({ health }),
    );
    return this;
  }

  signal(name: NodeJS.Signals): Promise<void> {
    return signalContainer(this.#state, name);
  }

  async stop(seconds?: number): Promise<number> {
    await stopContainer(this.#state, seconds);
    return this.exited;
  }

  #spawn(): ChildProcess {
    const { bundle, setup } = this.#prepared;
    const { stdin, output } = this.#streams;
    const { terminal } = this.#prepared;
    // An OCI runtime makes the container's terminal itself, but wants to stand in one.
    const wrap = terminal && (setup.driver.name === "plain" || !process.stdin.isTTY || output !== "inherit");
    const line = setup.driver.run(bundle);
    const [file = "", ...args] = wrap ? underTerminal(line) : line;
    const sink = output === "inherit" ? "inherit" : "pipe";
    const child = spawn(file, args, {
      stdio: [stdin === "hold" ? "pipe" : stdin, sink, sink],
      env: { PATH: defaultPath, TERM: process.env["TERM"], SHELL: "/bin/sh" },
      // What a terminal sends to everybody in it reaches the container through us alone.
      detached: !terminal,
    });
    if (this.#streams.output !== "inherit") {
      const take = this.#streams.output;
      child.stdout?.on("data", (chunk: Buffer) => take(chunk, "stdout"));
      child.stderr?.on("data", (chunk: Buffer) => take(chunk, "stderr"));
    }
    return child;
  }

  /** Waits for the file that names the container's first process, which is written when that runs. */
  async #firstProcess(child: ChildProcess): Promise<ContainerState["process"]> {
    const path = join(this.#prepared.bundle.directory, "pid");
    let wait = 1;
    for (;;) {
      const over = child.exitCode !== null || child.signalCode !== null;
      const pid = Number.parseInt(await readFile(path, "utf8").catch(() => ""), 10);
      if (
        pid > 0 &&
        !startsStill(pid) &&
        runtimeFailure(join(this.#prepared.bundle.directory, "runtime.log")) === undefined
      ) {
        return identify(pid) ?? { pid, start: "ended" };
      }
      if (over) return undefined;
      await delay(wait);
      wait = Math.min(wait + 1, 10);
    }
  }

  async #finish(code: number): Promise<number> {
    this.#publication.close();
    await this.#health?.stop();
    await clearDirectory(this.#state);
    if (this.#state.remove) {
      this.#state = { ...this.#state, status: "exited", exitCode: code };
      await removeDirectory(this.#state, this.#environment);
    } else {
      await this.#update({ status: "exited", exitCode: code, finished: new Date().toISOString() });
    }
    return code;
  }

  async #update(change: Partial<ContainerState>): Promise<void> {
    this.#state = { ...this.#state, ...change };
    await writeState(this.#state, this.#environment);
  }
}

/** Whether a process is still our own program, about to become the container's. */
function startsStill(pid: number): boolean {
  return readOr(`/proc/${pid}/cmdline`, "").includes("plain-init.");
}

async function endOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      reject(
        new WhittleError("ENVIRONMENT", `Cannot start the container: ${error.message}`, { cause: error }),
      );
    });
    child.once("close", (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
