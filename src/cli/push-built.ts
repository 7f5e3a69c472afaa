import type { LayerListener } from "../build/index.ts";
import { WhittleError, type Work } from "../io/index.ts";
import type { BuiltImage } from "../project/index.ts";
import { blobHomes, openClient, RepositoryPush, remoteReference } from "../registry/index.ts";
import type { Store } from "../store/index.ts";
import type { Output } from "./output.ts";
import type { VerbContext } from "./verb.ts";

/** The push of what a build makes: it begins with the first layer, while others are still made. */
export class BuildPush {
  readonly #tags: readonly string[];
  readonly #store: Store;
  readonly #work: Work;
  readonly #stopped = new AbortController();
  readonly #client: ReturnType<typeof openClient>;
  readonly #repositories = new Map<string, Promise<RepositoryPush>>();

  constructor(tags: readonly string[], store: Store, context: VerbContext) {
    this.#tags = tags;
    this.#store = store;
    const { progress, signal } = context;
    this.#work = { progress, signal: AbortSignal.any([signal, this.#stopped.signal]) };
    this.#client = openClient({ environment: context.environment });
  }

  /** Does the building: when it fails, layers that are on their way stop. */
  async during<T>(build: () => Promise<T>): Promise<T> {
    try {
      return await build();
    } catch (error) {
      this.#stopped.abort(error);
      throw error;
    }
  }

  /**
   * What sends layers ahead of their image: while they are written, or else as soon as they are. A failure is told when
   * the image is pushed.
   */
  layers(names: readonly string[]): LayerListener {
    const each = (act: (push: RepositoryPush) => void | Promise<void>): void => {
      const places = names.map((name) => {
        const { registry, repository } = remoteReference(name);
        return this.#repository(registry, repository);
      });
      for (const place of new Set(places)) place.then(act).catch(() => undefined);
    };
    return {
      grows: (file, written) => each((push) => push.ahead(file, written)),
      written: (layer) => each((push) => push.ensure(layer)),
    };
  }

  /**
   * Pushes a built image to the registry of each of its names, with the reasons of its files.
   *
   * @param names - beside the tags
   * @throws WhittleError `REGISTRY_DENIED`, `NETWORK`
   */
  async image({ descriptor, referrers }: BuiltImage, names: readonly string[]): Promise<void> {
    const all = [...new Set([...this.#tags, ...names])];
    for (const { registry, repository, tag = "latest" } of all.map((name) => remoteReference(name))) {
      await (await this.#repository(registry, repository)).image({ tag, descriptor, referrers });
    }
  }

  #repository(registry: string, repository: string): Promise<RepositoryPush> {
    const key = `${registry}/${repository}`;
    const known = this.#repositories.get(key);
    if (known !== undefined) return known;
    const [source, work] = [this.#store, this.#work];
    const from = blobHomes(source, { registry, repository });
    const made = this.#client
      .session(registry)
      .then((session) => new RepositoryPush({ session, repository, source, from, work }));
    this.#repositories.set(key, made);
    return made;
  }
}

/**
 * The push that some of the outputs want, if any does, and what hears of each layer. Layers go ahead where
 * every output has the image in the same form: else nobody knows yet which of them are to be pushed.
 */
export function pushOf(
  outputs: readonly Output[],
  tags: readonly string[],
  store: Store,
  context: VerbContext,
): { readonly push?: BuildPush; readonly layers?: LayerListener } {
  const pushed = outputs.filter((output) => output.push);
  if (pushed.length === 0) return {};
  const names = pushed.flatMap((output) => [...tags, ...output.names]);
  // Found before anything is built.
  if (pushed.some((output) => tags.length + output.names.length === 0)) {
    throw new WhittleError(
      "USAGE",
      "Cannot push the image: it has no name, a registry and a repository are wanted",
      { hint: "-t REGISTRY/REPOSITORY:TAG names it" },
    );
  }
  for (const name of names) remoteReference(name);
  const push = new BuildPush(tags, store, context);
  if (outputs.some(({ form }) => Object.keys(form).length > 0)) return { push };
  return { push, layers: push.layers(names) };
}
