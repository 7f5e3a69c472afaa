import { createHash } from "node:crypto";
import type { ImageConfig } from "../../src/image/index.ts";
import { type Content, decompress } from "../../src/io/index.ts";
import { readTar } from "../../src/tar/index.ts";

/** A layer's member: name, tar type, mode, owner, size, link target, start of the content's SHA-256, xattrs. */
export interface RecordedEntry {
  readonly n: string;
  readonly t: string;
  readonly m: string;
  readonly u: number;
  readonly g: number;
  readonly s?: number;
  readonly l?: string;
  readonly h?: string;
  readonly x?: Readonly<Record<string, string>>;
}

/** An image as it is recorded: all of it but times, and nothing of what its base brought. */
export interface RecordedImage {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly history?: readonly {
    readonly created_by?: string;
    readonly comment?: string;
    readonly empty_layer?: boolean;
  }[];
  readonly layers?: readonly { readonly base: boolean; readonly entries: readonly RecordedEntry[] }[];
}

const types = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

/** The members of a layer, packed in whatever form. */
export async function entriesOf(layer: Content): Promise<RecordedEntry[]> {
  const entries: RecordedEntry[] = [];
  for await (const member of readTar(decompress(layer.open()))) {
    const hash = createHash("sha256");
    for await (const chunk of member.body) hash.update(chunk);
    const xattrs = Object.fromEntries(
      [...(member.xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value).toString("latin1")]),
    );
    entries.push({
      n: member.name.replace(/^\.?\//, "").replace(/\/$/, ""),
      t: types[member.type],
      m: `0o${member.mode.toString(8)}`,
      u: member.uid,
      g: member.gid,
      ...(member.type === "file" ? { s: member.size, h: hash.digest("hex").slice(0, 16) } : {}),
      ...(member.linkName === ""
        ? {}
        : { l: member.linkName.replace(member.type === "hardlink" ? /^\.?\// : /^$/, "") }),
      ...(Object.keys(xattrs).length === 0 ? {} : { x: xattrs }),
    });
  }
  return entries;
}

/** An image that was built, with the layers' members where they are wanted. */
export interface BuiltForm {
  readonly config: ImageConfig;
  readonly layers: readonly (() => Promise<RecordedEntry[]>)[];
}

/** What differs between an image of ours and a recorded one, a line each. `contents` says whether digests count. */
export async function imageDifferences(
  own: BuiltForm,
  golden: RecordedImage,
  contents = true,
): Promise<string[]> {
  const differences: string[] = [];
  compare("config", sorted(own.config.config ?? {}), sorted(golden.config ?? {}), differences);
  const history = (own.config.history ?? []).map(({ created: _created, ...line }) => sorted(line));
  const expected = (golden.history ?? []).map((line) => sorted(ours(line)));
  for (let i = 0; i < Math.max(history.length, expected.length); i++) {
    compare(`history ${i}`, history[i], expected[i], differences);
  }
  const goldenLayers = golden.layers ?? [];
  if (own.layers.length !== goldenLayers.length) {
    differences.push(`${own.layers.length} layers instead of ${goldenLayers.length}`);
  }
  const seen = (entries: readonly RecordedEntry[]): readonly RecordedEntry[] =>
    contents ? entries : entries.map(({ h: _content, ...entry }) => entry);
  for (const [index, layer] of goldenLayers.entries()) {
    const entries = own.layers[index];
    if (layer.base || entries === undefined) continue;
    compareEntries(index, seen(await entries()), seen(layer.entries), differences);
  }
  return differences;
}

/** A recorded history line with our name where BuildKit writes its own. */
function ours(line: { readonly created_by?: string; readonly comment?: string }): object {
  return {
    ...line,
    ...(line.created_by === undefined
      ? {}
      : { created_by: line.created_by.replace(/# buildkit$/, "# whittle") }),
    ...(line.comment === undefined
      ? {}
      : { comment: line.comment.replace("buildkit.dockerfile.v0", "whittle.dockerfile.v0") }),
  };
}

function compareEntries(
  index: number,
  own: readonly RecordedEntry[],
  golden: readonly RecordedEntry[],
  differences: string[],
): void {
  const ownByName = new Map(own.map((entry) => [entry.n, entry]));
  const goldenByName = new Map(golden.map((entry) => [entry.n, entry]));
  for (const name of new Set([...ownByName.keys(), ...goldenByName.keys()])) {
    compare(
      `layer ${index} ${name}`,
      sorted(ownByName.get(name)),
      sorted(goldenByName.get(name)),
      differences,
    );
  }
}

function compare(what: string, own: unknown, golden: unknown, differences: string[]): void {
  const [left, right] = [JSON.stringify(own), JSON.stringify(golden)];
  if (left !== right) differences.push(`${what}: ${left ?? "absent"} instead of ${right ?? "absent"}`);
}

function sorted(value: unknown): unknown {
  if (value === undefined) return undefined;
  return JSON.parse(
    JSON.stringify(value, (_key, member: unknown) =>
      member !== null && typeof member === "object" && !Array.isArray(member)
        ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
        : member,
    ),
  );
}
