import type { LayerRecord } from "../../image/index.ts";
import { bytesContent, type Content, type Digest, fileContent, readContent } from "../../io/index.ts";
import type { Entry, FileEntry, TreePath } from "../../tree/index.ts";
import type { Compression } from "./writer.ts";

/** What the thread is started with. */
export interface LayerThreadData {
  readonly store: string;
  readonly deflated: string;
}

/** What the thread is told. */
export type LayerOrder =
  | {
      readonly kind: "write";
      readonly id: number;
      readonly entries: readonly SentEntry[];
      readonly compression: Compression;
    }
  /** Drop all work and end. */
  | { readonly kind: "end" };

/** What the thread tells of an order. */
export type LayerReport =
  | { readonly kind: "grows"; readonly id: number; readonly file: string }
  | { readonly kind: "bytes"; readonly id: number; readonly bytes: number; readonly totalBytes: number }
  | { readonly kind: "written"; readonly id: number; readonly layer: LayerRecord }
  /** Why is not said: whoever asked does the work, and finds out. */
  | { readonly kind: "failed"; readonly id: number };

/** An entry that can be sent to a thread; hard links keep their common identity within one message. */
export type SentEntry = readonly [
  path: TreePath,
  entry: Exclude<Entry, FileEntry> | (Omit<FileEntry, "content"> & { readonly content: SentContent }),
];

type SentContent =
  | {
      readonly file: { readonly path: string; readonly offset: number };
      readonly size: number;
      readonly digest?: Digest;
    }
  | { readonly bytes: Uint8Array; readonly digest?: Digest };

// Contents that are not in a file of the machine are small: records of packages, caches, configuration.
const mostInline = 1024 * 1024;

/** Makes entries ready to be sent; nothing when more of them is in memory than is worth copying. */
export async function sendable(
  entries: readonly (readonly [TreePath, Entry])[],
): Promise<SentEntry[] | undefined> {
  const sent: SentEntry[] = [];
  let inline = 0;
  for (const [path, entry] of entries) {
    if (entry.type !== "file") {
      sent.push([path, entry]);
      continue;
    }
    const { content, ...rest } = entry;
    const digest = content.digest === undefined ? {} : { digest: content.digest };
    if (content.file !== undefined) {
      sent.push([path, { ...rest, content: { file: content.file, size: content.size, ...digest } }]);
      continue;
    }
    inline += content.size;
    if (inline > mostInline) return undefined;
    // A copy, because a view would take all of the memory along that it is a part of.
    const bytes = new Uint8Array(await readContent(content));
    sent.push([path, { ...rest, content: { bytes, ...digest } }]);
  }
  return sent;
}

/** The entries that were sent. */
export function received(entries: readonly SentEntry[]): (readonly [TreePath, Entry])[] {
  return entries.map(([path, entry]) =>
    entry.type === "file" ? [path, { ...entry, content: contentOf(entry.content) }] : [path, entry],
  );
}

function contentOf(sent: SentContent): Content {
  if ("bytes" in sent) return bytesContent(sent.bytes, sent.digest);
  return fileContent(sent.file.path, sent.size, sent.file.offset, sent.digest);
}
