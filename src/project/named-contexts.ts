import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { contextStep, httpStep, type Step } from "../build/index.ts";
import { type NamedContext, parseGitReference } from "../dockerfile/index.ts";
import {
  copyReachable,
  type Descriptor,
  formatPlatform,
  formatReference,
  openImage,
  type Platform,
  parseReference,
} from "../image/index.ts";
import { isDigest, WhittleError, type Work } from "../io/index.ts";
import type { OpenedImage } from "../store/index.ts";
import { openBase, unlessForOthers } from "./base-image.ts";
import type { DockerfileOptions } from "./dockerfile-options.ts";
import { fetching } from "./fetching.ts";
import { gitContext } from "./git-context.ts";
import { ignoredContext } from "./ignored-context.ts";

/** What was given by name with `--build-context`. */
export class NamedContexts {
  readonly #values = new Map<string, string>();
  readonly #options: DockerfileOptions;
  readonly #cacheDirectory: string;
  readonly #found = new Map<string, Promise<NamedContext>>();

  /** @throws WhittleError `NOT_FOUND` for a directory that is not there, wanted or not */
  constructor(options: DockerfileOptions, cacheDirectory: string) {
    this.#options = options;
    this.#cacheDirectory = cacheDirectory;
    for (const [name, value] of options.contexts ?? []) {
      requireThere(name, value, options.directory);
      const [plain = "", platform] = name.split("::");
      this.#values.set(keyOf(plain, platform), value);
    }
  }

  /** What stands for a name, for a platform or for all of them; undefined when nothing was given. */
  async find(name: string, platform: Platform): Promise<NamedContext | undefined> {
    if (this.#values.size === 0) return undefined;
    const key = [keyOf(name, formatPlatform(platform)), keyOf(name, undefined)].find((one) =>
      this.#values.has(one),
    );
    if (key === undefined) return undefined;
    const value = this.#values.get(key) ?? "";
    const wanted = `${key} ${formatPlatform(platform)}`;
    let found = this.#found.get(wanted);
    if (found === undefined) {
      found = this.#load(name, value, platform);
      this.#found.set(wanted, found);
    }
    return found;
  }

  async #load(name: string, value: string, platform: Platform): Promise<NamedContext> {
    const image = /^docker-image:\/\/(.*)$/s.exec(value)?.[1];
    if (image === "scratch") return { kind: "scratch" };
    if (image !== undefined) return this.#image(name, value, image, platform);
    const layout = /^oci-layout:\/\/(.*)$/s.exec(value)?.[1];
    if (layout !== undefined) return this.#layout(name, layout, platform);
    return { kind: "files", step: await this.#files(name, value) };
  }

  async #image(name: string, value: string, image: string, platform: Platform): Promise<NamedContext> {
    const { store, pull = false } = this.#options;
    const open = (descriptor: Descriptor) =>
      openBase(store, descriptor, platform, this.#cacheDirectory, name);
    const known = pull ? undefined : await store.resolve(image);
    const base = known === undefined ? undefined : await open(known).catch(unlessForOthers);
    if (base !== undefined) return { kind: "image", image: base };
    const { pullBase } = await import("./remote-base.ts");
    const pulled = await pullBase(image, platform, this.#options).catch((error: unknown) => {
      if (!(error instanceof WhittleError)) throw error;
      throw new WhittleError(
        error.code,
        `Cannot use ${value} as the context ${name}: the store does not have it for ${formatPlatform(platform)}; ${error.message}`,
        { cause: error, hint: "whittle images lists what there is" },
      );
    });
    return { kind: "image", image: await open(pulled) };
  }

  /** The layers of an image in a layout are brought into the store: they may become layers of what is built. */
  async #layout(name: string, place: string, platform: Platform): Promise<NamedContext> {
    const { store, signal, directory = "." } = this.#options;
    const opened = await openLayout(place, directory, this.#options);
    try {
      const { descriptor } = await openImage(opened.source, opened.descriptor, platform, name);
      await copyReachable(opened.source, descriptor, store, signal);
      return {
        kind: "image",
        image: await openBase(store, descriptor, platform, this.#cacheDirectory, name),
      };
    } finally {
      await opened.close();
    }
  }

  async #files(name: string, value: string): Promise<Step> {
    // `name:path` could be a repository as well, but nobody has to guess what a name stands for.
    const git = /^(?:[a-z]+:\/\/|[\w-]+@)/i.test(value) ? parseGitReference(value) : undefined;
    if (git !== undefined) return gitContext(git, this.#options, `context ${name}`);
    if (/^https?:\/\//i.test(value)) {
      return httpStep(
        { url: value, name: "context", mtime: 0 },
        fetching(this.#options),
        `[context ${name}] fetch`,
      );
    }
    const scheme = /^([a-z][a-z0-9+.-]*):(?:\/\/)?/i.exec(value)?.[1];
    if (scheme !== undefined && !value.startsWith("/")) throw unknownForm(name, value, scheme);
    const directory = resolve(this.#options.directory ?? ".", value);
    const { filtered } = await ignoredContext(directory, [], this.#cacheDirectory);
    return contextStep(name, filtered);
  }
}

/** What begins like an address is looked for when it is wanted. */
function requireThere(name: string, value: string, directory = "."): void {
  if (/^(?:[a-z][a-z0-9+.-]*:|[\w-]+@)/i.test(value) || existsSync(resolve(directory, value))) return;
  throw new WhittleError(
    "NOT_FOUND",
    `Cannot use ${value} as the context ${name}: no such file or directory`,
  );
}

/** `DIRECTORY`, `DIRECTORY:TAG` or `DIRECTORY@DIGEST`. */
async function openLayout(place: string, directory: string, work: Work): Promise<OpenedImage> {
  const { openStore, readFrom } = await import("../store/index.ts");
  const at = place.lastIndexOf("@");
  const digest = at < 0 ? undefined : place.slice(at + 1);
  if (digest !== undefined && isDigest(digest)) {
    const path = resolve(directory, place.slice(0, at));
    const layout = await openStore(path);
    const descriptor = await layout.resolve(digest);
    if (descriptor === undefined) {
      throw new WhittleError("NOT_FOUND", `Cannot find the image ${digest} in ${path}: it is not there`);
    }
    return { source: layout, descriptor, referrers: async () => [], close: async () => undefined };
  }
  const { path, tag } = splitLayout(place, directory);
  return readFrom({ transport: "oci", path, ...(tag === undefined ? {} : { tag }) }, work);
}

/** Directories and names may both hold colons: what is a layout decides. */
function splitLayout(place: string, directory: string): { readonly path: string; readonly tag?: string } {
  for (let colon = place.lastIndexOf(":"); colon > 0; colon = place.lastIndexOf(":", colon - 1)) {
    const path = resolve(directory, place.slice(0, colon));
    if (existsSync(join(path, "oci-layout"))) return { path, tag: place.slice(colon + 1) };
  }
  return { path: resolve(directory, place) };
}

/** One spelling for names that mean the same: `docker.io/library/x:latest` and `x`. */
function keyOf(name: string, platform: string | undefined): string {
  let plain = name;
  try {
    plain = formatReference(parseReference(name)).replace(/:latest$/, "");
  } catch {
    // The name of a stage need not be one of an image.
    plain = name.toLowerCase();
  }
  return platform === undefined ? plain : `${plain}::${platform}`;
}

function unknownForm(name: string, value: string, scheme: string): WhittleError {
  return new WhittleError(
    "USAGE",
    `Cannot use ${value} as the context ${name}: ${scheme}: is not known, a directory, docker-image://, oci-layout://, https:// or a git address is wanted`,
    scheme === "target" ? { hint: "targets of a bake file are not read here; name the stage in FROM" } : {},
  );
}
