import { WhittleError } from "../io/index.ts";
import type { BuiltImage } from "../project/index.ts";
import { openClient, pushImage, remoteReference } from "../registry/index.ts";
import type { Store } from "../store/index.ts";
import type { VerbContext } from "./verb.ts";

/**
 * Pushes a built image to the registry of each of its names, with the reasons of its files.
 *
 * @throws WhittleError `USAGE` when it has none, `REGISTRY_DENIED`, `NETWORK`
 */
export async function pushBuilt(
  image: BuiltImage,
  names: readonly string[],
  store: Store,
  context: VerbContext,
): Promise<void> {
  if (names.length === 0) {
    throw new WhittleError(
      "USAGE",
      "Cannot push the image: it has no name, a registry and a repository are wanted",
      {
        hint: "-t REGISTRY/REPOSITORY:TAG names it",
      },
    );
  }
  const client = openClient({ environment: context.environment });
  for (const { registry, repository, tag } of names.map((name) => remoteReference(name))) {
    await pushImage({
      session: await client.session(registry),
      ...{ repository, tag: tag ?? "latest", source: store, descriptor: image.descriptor },
      ...{ referrers: image.referrers, work: context },
    });
  }
}
