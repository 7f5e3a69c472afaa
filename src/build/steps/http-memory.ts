import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, digestHex, isDigest, sha256, writeFileAtomically } from "../../io/index.ts";

/** What is remembered of a file that was fetched, so that its server can be asked whether it has changed. */
export interface KnownFile {
  readonly digest: Digest;
  readonly size: number;
  /** RFC 9110, section 8.8.3: names one form of a file. */
  readonly etag?: string;
  /** RFC 9110, section 8.8.2, in the server's own words. */
  readonly lastModified?: string;
}

/** Files by their addresses, which may hold credentials and are therefore not written down. */
export class HttpMemory {
  readonly #directory: string;

  constructor(cacheDirectory: string) {
    this.#directory = join(cacheDirectory, "http");
  }

  async get(url: string): Promise<KnownFile | undefined> {
    try {
      const { digest, size, etag, lastModified } = JSON.parse(
        await readFile(this.#place(url), "utf8"),
      ) as Partial<KnownFile>;
      if (typeof digest !== "string" || !isDigest(digest) || !Number.isSafeInteger(size)) return undefined;
      return {
        digest,
        size: Number(size),
        ...(typeof etag === "string" ? { etag } : {}),
        ...(typeof lastModified === "string" ? { lastModified } : {}),
      };
    } catch {
      // Never fetched, or damaged: then it is fetched again.
      return undefined;
    }
  }

  async set(url: string, file: KnownFile): Promise<void> {
    await writeFileAtomically(this.#place(url), JSON.stringify(file), { mode: 0o600 });
  }

  #place(url: string): string {
    return join(this.#directory, digestHex(sha256(url)));
  }
}
