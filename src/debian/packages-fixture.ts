import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { openIndex, type PackageIndex } from "./packages-index.ts";

/** Fields of stanzas, for tests: `{ Package: "a", Depends: "b" }`; what every stanza has is filled in. */
export type Stanza = Readonly<Record<string, string>> & { readonly Package: string };

/** The text of a `Packages` file. */
export function packagesText(stanzas: readonly Stanza[]): string {
  return stanzas
    .map((stanza) => {
      const version = stanza["Version"] ?? "1";
      const architecture = stanza["Architecture"] ?? "amd64";
      const fields = {
        Version: version,
        Architecture: architecture,
        Priority: "optional",
        "Installed-Size": "10",
        Filename: `pool/main/${stanza.Package}_${version}_${architecture}.deb`,
        Size: "100",
        SHA256: createHash("sha256").update(JSON.stringify(stanza)).digest("hex"),
        ...stanza,
      };
      return Object.entries(fields)
        .map(([name, value]) => `${name}: ${value}\n`)
        .join("");
    })
    .join("\n");
}

const directories: string[] = [];
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true });
});

/** Makes a temporary directory that is removed when the test file has run. */
export function packagesDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "whittle-packages-"));
  directories.push(directory);
  return directory;
}

/** Opens an index over stanzas, in a temporary directory. */
export function indexOf(stanzas: readonly Stanza[], suite = "trixie", priority = 500): Promise<PackageIndex> {
  return indexOfText(packagesText(stanzas), suite, priority);
}

/** Opens an index over the text of a `Packages` file, in a temporary directory. */
export function indexOfText(text: string, suite = "trixie", priority = 500): Promise<PackageIndex> {
  const directory = packagesDirectory();
  const path = join(directory, "Packages");
  writeFileSync(path, text);
  const sha256 = createHash("sha256").update(text).digest("hex");
  return openIndex({ path, sha256, suite, mirror: "http://mirror.test/debian", priority }, directory);
}
