import { access } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Environment, Work } from "../io/index.ts";
import { type HealthWatch, watchHealth } from "./health.ts";
import { beginLife, type ContainerStreams, forgetLife, type Life } from "./life.ts";
import type { RunnableImage, RunOptions } from "./options.ts";
import { discardOwn } from "./place-volumes.ts";
import { announce } from "./pod.ts";
import type { PublishedPort } from "./ports.ts";
import { type Prepared, prepareContainer } from "./prepare.ts";
import { Publication } from "./publish.ts";
import { clearDirectory, removeDirectory } from "./remove.ts";
import { nextWait, startsAgain } from "./restart.ts";
import { signalContainer, stopContainer, stopMark } from "./signal.ts";
import { type ContainerState, containerDirectory, writeState } from "./state.ts";

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
  /**
   * The exit status of its program (128 + n after signal n), when it has ended, is not to be started again and
   * everything is tidied up.
   */
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
  const publication = await Publication.bind(publishedPorts(options, work));
  try {
    const prepared = await prepareContainer(image, options, work, environment);
    tell?.(prepared.state.id);
    return await new Container(prepared, image, publication, streams, work, environment).begin();
  } catch (error) {
    publication.close();
    throw error;
  }
}

/** The ports to answer: none where there is no network to answer them in (as in Docker). */
function publishedPorts(
  { network = "default", publish = [] }: RunOptions,
  work: Work,
): readonly PublishedPort[] {
  if (network === "default" || publish.length === 0) return publish;
  work.progress({ kind: "warning", text: `no ports are published with the network "${network}"` });
  return [];
}

/** One container from its start to its end. */
class Container implements RunningContainer {
  readonly #prepared: Prepared;
  readonly #image: RunnableImage;
  readonly #publication: Publication;
  readonly #streams: ContainerStreams;
  readonly #work: Work;
  readonly #environment: Environment;
  readonly #stopped = new AbortController();
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
    const { network } = this.#prepared;
    let life: Life;
    try {
      // Before the program starts, so that whoever it tells of itself reaches it.
      if (network !== undefined) await this.#publication.forwardTo(network.hold);
      life = await beginLife(this.#prepared, this.#streams);
    } catch (error) {
      await this.#tidyUp();
      await discardOwn(this.#state.mounts, this.#environment);
      await removeDirectory(this.#state, this.#environment);
      throw error;
    }
    const abort = (): void => void this.signal("SIGKILL").catch(() => undefined);
    this.#work.signal.addEventListener("abort", abort);
    await this.#runs(life);
    this.exited = this.#untilItEnds(life).finally(() => {
      this.#work.signal.removeEventListener("abort", abort);
    });
    this.exited.catch(() => undefined);
    if (this.#work.signal.aborted) abort();
    return this;
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    if (["SIGTERM", "SIGINT", "SIGKILL", this.#state.stopSignal].includes(name)) this.#stopped.abort();
    await signalContainer(this.#state, name);
  }

  async stop(seconds?: number): Promise<number> {
    this.#stopped.abort();
    await stopContainer(this.#state, seconds, this.#environment);
    return this.exited;
  }

  /** Notes that the program runs. */
  async #runs({ first }: Life): Promise<void> {
    await this.#update({ status: "running", process: first, started: new Date().toISOString() });
    const { pod } = this.#state;
    if (pod !== undefined) await announce(pod, this.#environment);
    this.#health = watchHealth(this.#state, this.#image.config, this.#environment, (health) =>
      this.#update({ health }),
    );
  }

  /** Waits for the program's end, and starts it again as long as the policy says so and nobody has stopped it. */
  async #untilItEnds(first: Life): Promise<number> {
    let life: Life | undefined = first;
    let wait: number | undefined;
    for (;;) {
      const began = performance.now();
      const status: number = life === undefined ? notStarted : await life.ended;
      await this.#health?.stop();
      const { restart, restarts } = this.#state;
      if (!startsAgain(restart, status, restarts) || (await this.#isStopped())) return this.#finish(status);
      wait = nextWait(wait, life === undefined ? 0 : performance.now() - began);
      const finished = new Date().toISOString();
      await this.#update({ status: "restarting", exitCode: status, finished, restarts: restarts + 1 });
      await this.#pause(wait);
      if (await this.#isStopped()) return this.#finish(status);
      await forgetLife(this.#prepared.bundle.directory);
      life = await beginLife(this.#prepared, this.#streams).catch(() => undefined);
      if (life !== undefined) await this.#runs(life);
    }
  }

  async #pause(milliseconds: number): Promise<void> {
    const end = performance.now() + milliseconds;
    for (let left = milliseconds; left > 0 && !(await this.#isStopped()); left = end - performance.now()) {
      await delay(Math.min(left, 100), undefined, { signal: this.#stopped.signal }).catch(() => undefined);
    }
  }

  /** Whether somebody asked it to end: through this object, or another process by a file. */
  async #isStopped(): Promise<boolean> {
    if (this.#stopped.signal.aborted || this.#work.signal.aborted) return true;
    return access(join(containerDirectory(this.id, this.#environment), stopMark)).then(
      () => true,
      () => false,
    );
  }

  async #finish(code: number): Promise<number> {
    await this.#tidyUp();
    if (this.#state.remove) {
      this.#state = { ...this.#state, status: "exited", exitCode: code };
      await discardOwn(this.#state.mounts, this.#environment);
      await removeDirectory(this.#state, this.#environment);
    } else {
      await this.#update({ status: "exited", exitCode: code, finished: new Date().toISOString() });
    }
    if (this.#state.pod !== undefined) await announce(this.#state.pod, this.#environment);
    return code;
  }

  async #tidyUp(): Promise<void> {
    await this.#publication.end();
    await clearDirectory(this.#state, this.#environment);
    await this.#prepared.network?.close();
  }

  async #update(change: Partial<ContainerState>): Promise<void> {
    this.#state = { ...this.#state, ...change };
    await writeState(this.#state, this.#environment);
  }
}

/** The exit status of a program that could not even be started again (as in Docker). */
const notStarted = 127;
