import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { PrivateKey } from "openpgp";
import type { ArchiveOptions } from "../src/debian/index.ts";
import { clearSign, makeKey, type ReleaseParts, releaseText, TestMirror } from "./debian-fixture.ts";

/** An archive of one suite with one index, served and signed for a test. */
export class TestArchive {
  readonly packages = Buffer.from("Package: sample\nVersion: 1.0-1\nArchitecture: amd64\n");
  readonly packed = gzipSync(this.packages);
  readonly inRelease = "dists/sample/InRelease";
  readonly indexPath = "dists/sample/main/binary-amd64/Packages.gz";
  readonly release: ReleaseParts = {
    suite: "sample",
    files: new Map<string, Uint8Array>([
      ["main/binary-amd64/Packages", this.packages],
      ["main/binary-amd64/Packages.gz", this.packed],
    ]),
  };
  readonly mirror = new TestMirror();
  readonly directory: string;
  readonly secret: PrivateKey;
  options: ArchiveOptions;

  constructor(directory: string, secret: PrivateKey, options: ArchiveOptions) {
    this.directory = directory;
    this.secret = secret;
    this.options = options;
  }

  /** Starts the server; everything is kept below a directory of its own. */
  static async start(): Promise<TestArchive> {
    const directory = await mkdtemp(join(tmpdir(), "whittle-archive-"));
    const { secret, armoured } = await makeKey();
    const keyring = join(directory, "test.asc");
    await writeFile(keyring, armoured);
    const archive = new TestArchive(directory, secret, {
      suite: "sample",
      architectures: ["amd64"],
      keyrings: [keyring],
      cacheDirectory: join(directory, "cache"),
      environment: {},
      http: { attempts: 3, delay: 1, stall: 1500 },
    });
    archive.options = { ...archive.options, mirror: await archive.mirror.listen() };
    archive.mirror.files.set(archive.indexPath, archive.packed);
    await archive.serve({});
    return archive;
  }

  /** Serves another release instead, signed. */
  async serve(parts: Partial<ReleaseParts>): Promise<void> {
    const text = releaseText({ ...this.release, ...parts });
    this.mirror.files.set(this.inRelease, Buffer.from(await clearSign(text, this.secret)));
  }

  async stop(): Promise<void> {
    await this.mirror.close();
    await rm(this.directory, { recursive: true });
  }
}
