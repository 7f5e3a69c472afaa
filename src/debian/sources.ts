import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "../io/index.ts";
import { type Paragraph, parseParagraphs } from "./deb822.ts";

/** One place that apt is told to take binary packages from (sources.list(5)). */
export interface AptSource {
  /** Base addresses without trailing slashes, in order of preference. */
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Options and further fields by lower-case name (`signed-by`, `architectures`). */
  readonly options: ReadonlyMap<string, string>;
  /** The file that says so. */
  readonly file: string;
}

// apt ignores files in sources.list.d by their names: apt.conf(5), "Dir::Ignore-Files-Silently".
const listName = /^[A-Za-z0-9_.-]+\.list$/;
const deb822Name = /^[A-Za-z0-9_.-]+\.sources$/;

/**
 * The machine's apt sources: `sources.list`, then `sources.list.d/*` by name, both formats. What cannot be read
 * is passed over: it is apt's business to complain of it.
 *
 * @param directory - apt's configuration directory (`/etc/apt`)
 */
export async function aptSources(directory = "/etc/apt"): Promise<AptSource[]> {
  const parts = join(directory, "sources.list.d");
  const names = await readdir(parts).catch(() => []);
  const files = [
    join(directory, "sources.list"),
    ...names
      .filter((name) => listName.test(name) || deb822Name.test(name))
      .sort()
      .map((name) => join(parts, name)),
  ];
  const read = await Promise.all(files.map((file) => aptSourcesOfFile(file)));
  return read.flat();
}

async function aptSourcesOfFile(file: string): Promise<AptSource[]> {
  try {
    const text = await readFile(file, "utf8");
    const sources = file.endsWith(".sources") ? parseDeb822Sources(text, file) : parseListSources(text, file);
    return await Promise.all(sources.map(expandMirrorList));
  } catch {
    return [];
  }
}

/** Reads a deb822 `.sources` file; stanzas that are disabled or not for binary packages are left out. */
export function parseDeb822Sources(text: string, file: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const stanza of parseParagraphs(text, file)) {
    if (/^(?:no|false|without|off|disable|0)$/i.test(stanza.get("enabled") ?? "")) continue;
    if (!words(stanza, "types").includes("deb")) continue;
    const uris = words(stanza, "uris").map(trimSlashes);
    const suites = words(stanza, "suites");
    if (uris.length === 0 || suites.length === 0) continue;
    sources.push({ uris, suites, components: words(stanza, "components"), options: stanza, file });
  }
  return sources;
}

/** Reads a one-line-style `.list` file; only `deb` lines count. */
export function parseListSources(text: string, file: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (match === null) continue;
    const [, options = "", uri = "", suite = "", components = ""] = match;
    sources.push({
      uris: [trimSlashes(uri)],
      suites: [suite],
      components: components.split(/\s+/).filter((word) => word !== ""),
      options: listOptions(options),
      file,
    });
  }
  return sources;
}

function listOptions(text: string): Map<string, string> {
  const options = new Map<string, string>();
  for (const word of text.split(/\s+/)) {
    const [, name, value] = /^([^=]+?)[+-]?=(.*)$/.exec(word) ?? [];
    if (name !== undefined && value !== undefined) options.set(name.toLowerCase(), value);
  }
  return options;
}

/** Replaces `mirror+file:` addresses (apt-transport-mirror(1)) by the mirrors that the file lists. */
async function expandMirrorList(source: AptSource): Promise<AptSource> {
  const uris: string[] = [];
  for (const uri of source.uris) {
    if (!uri.startsWith("mirror+file:")) {
      uris.push(uri);
      continue;
    }
    const text = await readFile(uri.slice("mirror+file:".length).replace(/^\/{2,}/, "/"), "utf8").catch(
      (error: unknown) => {
        if (isSystemError(error)) return "";
        throw error;
      },
    );
    for (const line of text.split("\n")) {
      const [address = ""] = line.trim().split(/\s+/);
      if (/^https?:/.test(address)) uris.push(trimSlashes(address));
    }
  }
  return { ...source, uris };
}

function words(stanza: Paragraph, field: string): string[] {
  return (stanza.get(field) ?? "").split(/\s+/).filter((word) => word !== "");
}

/** Without trailing slashes: some mirrors refuse a path with two in a row. */
export function trimSlashes(uri: string): string {
  return uri.replace(/\/+$/, "");
}
