import { asOutcome, type Outcome } from "../build/index.ts";
import { documentLimits } from "../image/index.ts";
import { canonicalJson, type Digest, isDigest, WhittleError } from "../io/index.ts";

/** The media type of BuildKit's cache documents. */
export const cacheConfigType = "application/vnd.buildkit.cacheconfig.v0";

/** The annotation of a layer that names its unpacked form; BuildKit reads layers of caches with it only. */
export const unpackedAnnotation = "containerd.io/uncompressed";

/** A layer of a cache, and the one below it: the place in the list, -1 for none. */
export interface CacheLayer {
  readonly blob: Digest;
  readonly parent: number;
}

/** A result: the top of a stack of layers, each of which names the one below it. */
export interface CacheResult {
  /** A place in the list of layers. */
  readonly layer: number;
  /** RFC 3339; of several results BuildKit takes the youngest. */
  readonly createdAt?: string;
}

/** A result whose layers do not stand on each other everywhere, as `COPY --link` makes them. */
export interface CacheChain {
  /** Places in the list of layers, from the lowest up. */
  readonly layers: readonly number[];
  readonly createdAt?: string;
}

/** A record that an input may be. */
export interface CacheLink {
  /** Which part of the input is meant; "" for none. */
  readonly selector: string;
  /** A place in the list of records. */
  readonly link: number;
}

/** What a step came to: its key, the layers that hold the result, and what only Whittle reads. */
export interface CacheRecord {
  readonly digest: Digest;
  readonly results: readonly CacheResult[];
  readonly chains: readonly CacheChain[];
  /** Of each input, the records that it may be. */
  readonly inputs: readonly (readonly CacheLink[])[];
  /** Absent where another builder wrote it. */
  readonly outcome?: Outcome;
}

/** A cache as BuildKit describes one (moby/buildkit, cache/remotecache/v1/doc.go). */
export interface CacheDocument {
  readonly layers: readonly CacheLayer[];
  readonly records: readonly CacheRecord[];
}

/**
 * Reads a cache document, BuildKit's or ours.
 *
 * @throws WhittleError `IMAGE_INVALID` when it is malformed, names what is not there, or stands on itself
 */
export function parseCacheDocument(bytes: Uint8Array): CacheDocument {
  const { layers = [], records = [] } = object(json(bytes), "the document");
  const parsedLayers = list(layers, "layers").map((item, at) => {
    const { blob, parent = 0 } = object(item, `layers[${at}]`);
    return { blob: digest(blob, `layers[${at}].blob`), parent: parent as number };
  });
  for (const [at, { parent }] of parsedLayers.entries()) {
    if (parent !== -1) place(parent, parsedLayers.length, `layers[${at}].parent`);
  }
  refuseLoops(
    parsedLayers.map(({ parent }) => (parent === -1 ? [] : [parent])),
    "layers",
  );
  return { layers: parsedLayers, records: parseCacheRecords(records, parsedLayers.length) };
}

/**
 * Reads the records alone, as an image carries them in its configuration.
 *
 * @param layers - how many layers there are
 * @throws WhittleError `IMAGE_INVALID`
 */
export function parseCacheRecords(value: unknown, layers: number): readonly CacheRecord[] {
  const items = list(value, "records");
  const records = items.map((item, at): CacheRecord => {
    const where = `records[${at}]`;
    const { digest: key, layers: results, inputs, chains, whittle } = object(item, where);
    const outcome = asOutcome(whittle);
    return {
      digest: digest(key, `${where}.digest`),
      results: list(results, `${where}.layers`).map((result) => {
        const { layer, createdAt } = object(result, `${where}.layers`);
        return { layer: place(layer, layers, `${where}.layers`), ...time(createdAt) };
      }),
      chains: list(chains, `${where}.chains`).map((chain) => {
        const { layers: stack, createdAt } = object(chain, `${where}.chains`);
        const numbers = list(stack, `${where}.chains`).map((number) =>
          place(number, layers, `${where}.chains`),
        );
        return { layers: numbers, ...time(createdAt) };
      }),
      inputs: list(inputs, `${where}.inputs`).map((each) =>
        list(each, `${where}.inputs`).map((input) => linkOf(input, items.length, `${where}.inputs`)),
      ),
      ...(outcome === undefined ? {} : { outcome }),
    };
  });
  refuseLoops(
    records.map(({ inputs }) => inputs.flatMap((links) => links.map(({ link }) => link))),
    "records",
  );
  return records;
}

/** A document as the bytes of its blob. */
export function serializeCacheDocument({ layers, records }: CacheDocument): Buffer {
  return Buffer.from(canonicalJson({ layers, records: records.map(written) }), "utf8");
}

/** Records as they stand in the configuration of an image. */
export function serializeCacheRecords(records: readonly CacheRecord[]): Buffer {
  return Buffer.from(canonicalJson(records.map(written)), "utf8");
}

function written({ digest: key, results, chains, inputs, outcome }: CacheRecord): object {
  return {
    ...(results.length === 0 ? {} : { layers: results }),
    ...(chains.length === 0 ? {} : { chains }),
    digest: key,
    ...(inputs.length === 0 ? {} : { inputs: inputs.map((links) => links.map(writtenLink)) }),
    // Go's decoder passes over members that it does not know.
    ...(outcome === undefined ? {} : { whittle: outcome }),
  };
}

function writtenLink({ selector, link }: CacheLink): object {
  return { ...(selector === "" ? {} : { selector }), link };
}

function linkOf(value: unknown, records: number, where: string): CacheLink {
  const { selector = "", link } = object(value, where);
  if (typeof selector !== "string") throw invalid(`${where} has a selector that is no text`);
  return { selector, link: place(link, records, where) };
}

/** A time that nobody can read counts as none. */
function time(value: unknown): { readonly createdAt?: string } {
  return typeof value === "string" && !Number.isNaN(Date.parse(value)) ? { createdAt: value } : {};
}

/** Where nothing can be walked to its end, BuildKit gives up; so do we, and without walking twice. */
function refuseLoops(edges: readonly (readonly number[])[], what: string): void {
  const left = edges.map((targets) => targets.length);
  const users: number[][] = edges.map(() => []);
  for (const [from, targets] of edges.entries()) for (const target of targets) users[target]?.push(from);
  const free = left.flatMap((count, at) => (count === 0 ? [at] : []));
  for (let at = free.pop(), seen = 0; ; at = free.pop()) {
    if (at === undefined) {
      if (seen < edges.length) throw invalid(`its ${what} stand on themselves`);
      return;
    }
    seen += 1;
    for (const user of users[at] ?? []) {
      const count = (left[user] ?? 0) - 1;
      left[user] = count;
      if (count === 0) free.push(user);
    }
  }
}

function json(bytes: Uint8Array): unknown {
  if (bytes.length > documentLimits.bytes) {
    throw invalid(`it has ${bytes.length} bytes, at most ${documentLimits.bytes} are accepted`);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw invalid("it is not JSON in UTF-8");
  }
}

function object(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(`${where} is no object`);
  return value as Record<string, unknown>;
}

/** Go writes an absent list as `null`, or not at all. */
function list(value: unknown, where: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`${where} is no list`);
  return value;
}

function digest(value: unknown, where: string): Digest {
  if (typeof value !== "string" || !isDigest(value)) throw invalid(`${where} is no digest`);
  return value;
}

function place(value: unknown, length: number, where: string): number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) >= length) {
    throw invalid(`${where} names what is not there`);
  }
  return value as number;
}

function invalid(found: string): WhittleError {
  return new WhittleError("IMAGE_INVALID", `Cannot read the cache: ${found}`);
}
