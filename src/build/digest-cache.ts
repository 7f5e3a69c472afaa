import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Digest,
  digestHex,
  type FileStamp,
  isDigest,
  makeDirectories,
  sha256,
  stampText,
} from "../io/index.ts";

// A file that was written within this time before it was looked at could be written again without its stamp
// changing on a file system with coarse times; git calls such an entry "racily clean".
const racyNs = 2_000_000_000n;

/**
 * Remembers the digests of a directory's files between builds by their stamps, so that an unchanged context is
 * not read again. Losing it costs time only.
 */
export class DigestCache {
  readonly #file: string;
  readonly #old: Map<string, string>;
  readonly #new = new Map<string, string>();
  #changed = false;

  private constructor(file: string, old: Map<string, string>) {
    this.#file = file;
    this.#old = old;
  }

  /** Opens the cache of one directory below `cacheDirectory`; a damaged one counts as empty. */
  static async open(cacheDirectory: string, directory: string): Promise<DigestCache> {
    const file = join(cacheDirectory, "stamps", digestHex(sha256(directory)).slice(0, 32));
    const old = new Map<string, string>();
    const text = await readFile(file, "utf8").catch(() => "");
    for (const line of text.split("\n")) {
      const tab = line.indexOf("\t");
      if (tab > 0) old.set(JSON.parse(`"${line.slice(tab + 1)}"`) as string, line.slice(0, tab));
    }
    return new DigestCache(file, old);
  }

  /** The digest of the file as it was with this stamp. */
  get(path: string, stamp: FileStamp): Digest | undefined {
    const line = this.#old.get(path);
    if (line === undefined) return undefined;
    const digest = line.slice(0, line.indexOf(" "));
    if (line !== `${digest} ${stampText(stamp)}` || !isDigest(digest)) return undefined;
    this.#new.set(path, line);
    return digest;
  }

  /** Keeps a digest, unless the file is so new that its stamp proves nothing yet. */
  set(path: string, stamp: FileStamp, digest: Digest, nowNs: bigint): void {
    this.#changed = true;
    if (stamp.mtimeNs + racyNs > nowNs || stamp.ctimeNs + racyNs > nowNs) return;
    this.#new.set(path, `${digest} ${stampText(stamp)}`);
  }

  /** Writes what is known now; failing to is no error. */
  async save(): Promise<void> {
    if (!this.#changed && this.#new.size === this.#old.size) return;
    const text = [...this.#new]
      .map(([path, line]) => `${line}\t${JSON.stringify(path).slice(1, -1)}\n`)
      .join("");
    const temporary = `${this.#file}.${process.pid}`;
    try {
      await makeDirectories(join(this.#file, ".."));
      await writeFile(temporary, text);
      await rename(temporary, this.#file);
    } catch {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  }
}
