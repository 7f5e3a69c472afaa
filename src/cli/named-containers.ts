import { type Environment, WhittleError } from "../io/index.ts";
import { type ContainerState, findContainer, podContainers } from "../sandbox/index.ts";

/** Containers as a person names them, with the word to tell of each. */
export interface NamedContainer {
  readonly state: ContainerState;
  readonly word: string;
}

/**
 * The containers that a person means: by names and ids, and all of a pod.
 *
 * @throws WhittleError `NOT_FOUND`; `USAGE` when nobody is named
 */
export async function namedContainers(
  names: readonly string[],
  pod: string | undefined,
  environment: Environment,
): Promise<NamedContainer[]> {
  if (names.length === 0 && pod === undefined) {
    throw new WhittleError(
      "USAGE",
      "Cannot tell which containers are meant: a name, an id or --pod is wanted",
    );
  }
  const named = await Promise.all(
    names.map(async (word) => ({ word, state: await findContainer(word, environment) })),
  );
  const members = pod === undefined ? [] : await podContainers(pod, environment);
  if (pod !== undefined && members.length === 0) {
    throw new WhittleError("NOT_FOUND", `Cannot find the pod "${pod}": no container is in one of that name`, {
      hint: "whittle ps --all lists the containers with their pods",
    });
  }
  const others = members.filter(({ id }) => named.every(({ state }) => state.id !== id));
  return [...named, ...others.map((state) => ({ word: state.name, state }))];
}
