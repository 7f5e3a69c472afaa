import { type Descriptor, isPathReference, parseReference, reachable, storeName } from "../../image/index.ts";
import { WhittleError } from "../../io/index.ts";
import type { Store } from "../../store/index.ts";
import { formatBytes } from "../format.ts";
import { type FormatFlags, formatOption } from "../transfer-options.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags extends FormatFlags {
  readonly prune?: boolean;
  readonly remote?: boolean;
}

export const command: VerbModule = {
  define(command, run) {
    formatOption(command)
      .argument("<image...>", "names, or digests: all names of that image")
      .option("--prune", "delete what only these images needed, now; else `whittle store gc` does it later")
      .option(
        "--remote",
        "delete in the registry, not in the store: a tag, or with @DIGEST an image and its tags",
      )
      .addHelpText(
        "after",
        "\nExamples:\n  whittle rmi --prune api:1 4f53cda18c2b\n  whittle rmi --remote registry.example/team/api:1\n",
      )
      .action((images: string[], flags: Flags) =>
        run((context) => (flags.remote === true ? rmiRemote : rmi)(images, flags, context)),
      );
  },
};

async function rmi(images: readonly string[], flags: Flags, context: VerbContext): Promise<number> {
  const store = await context.store();
  // All are looked up before any is taken away.
  const names = new Set<string>();
  for (const image of images) for (const name of await namesOf(image, store)) names.add(name);
  const digests = new Set<string>();
  for (const name of names) {
    const descriptor = await forget(name, store);
    if (descriptor === undefined || flags.prune !== true) continue;
    for await (const item of reachable(store, descriptor)) {
      digests.add(item.digest);
      for (const referrer of await store.referrers(item.digest)) {
        for await (const attached of reachable(store, referrer)) digests.add(attached.digest);
      }
    }
  }
  const freed = flags.prune === true ? await store.gc(context, { among: digests }) : undefined;
  const untagged = [...names];
  if (flags.format === "json") {
    const pruned = freed === undefined ? {} : { removed: freed.removed, bytes: freed.bytes };
    context.out(`${JSON.stringify({ untagged, ...pruned }, undefined, 2)}\n`);
  } else {
    context.out(untagged.map((name) => `untagged ${name}\n`).join(""));
    if (freed !== undefined) context.out(`freed ${formatBytes(freed.bytes)}\n`);
  }
  return 0;
}

/** Deletes in registries; all names are read before any is asked to delete. */
async function rmiRemote(images: readonly string[], flags: Flags, context: VerbContext): Promise<number> {
  if (flags.prune === true) {
    throw new WhittleError("USAGE", "Cannot use --prune with --remote: a registry collects its own garbage");
  }
  const { deleteRemote, openClient, remoteReference, Repository } = await import("../../registry/index.ts");
  const references = images.map((image) => remoteReference(image));
  const client = openClient({ environment: context.environment });
  const deleted: string[] = [];
  for (const { registry, repository, tag, digest } of references) {
    const there = new Repository(await client.session(registry), repository, context.signal);
    const gone = await deleteRemote(there, digest ?? tag ?? "latest");
    deleted.push(`${there.label}${digest === undefined ? ":" : "@"}${gone}`);
  }
  context.out(
    flags.format === "json"
      ? `${JSON.stringify({ deleted }, undefined, 2)}\n`
      : deleted.map((name) => `deleted ${name}\n`).join(""),
  );
  return 0;
}

async function namesOf(image: string, store: Store): Promise<string[]> {
  const descriptor = await store.resolve(image);
  const all = await store.list();
  if (descriptor !== undefined) {
    const name = nameIn(image);
    if (all.some((item) => item.reference === name)) return [name ?? ""];
    const names = all.filter((item) => item.descriptor.digest === descriptor.digest);
    if (names.length > 0) return names.map((item) => item.reference);
    const held = (await store.held()).filter((item) => item.descriptor.digest === descriptor.digest);
    if (held.length > 0) return held.map((item) => `${item.repository}@${descriptor.digest}`);
  }
  throw new WhittleError("NOT_FOUND", `Cannot remove ${image}: the store has no image of that name`, {
    hint: "whittle images lists what there is",
  });
}

/** Takes away a name, or an image from a repository that knows it by its digest. */
async function forget(name: string, store: Store): Promise<Descriptor | undefined> {
  const reference = parseReference(name);
  if (isPathReference(reference) || reference.digest === undefined) return store.untag(name);
  const descriptor = await store.resolve(name);
  await store.release(reference.name, reference.digest);
  return descriptor;
}

/** The name that a text spells, unless it is a digest. */
function nameIn(image: string): string | undefined {
  try {
    return storeName(parseReference(image));
  } catch {
    return undefined;
  }
}
