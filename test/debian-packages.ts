import type { DebianPackage } from "../src/debian/index.ts";
import { bytesContent, sha256 } from "../src/io/index.ts";
import { attributes, type Entry, type Origin, treeOf } from "../src/tree/index.ts";

/** What a test's package holds: `path → text`, `path/` for a directory, `path → -> target` for a link. */
export interface PackageParts {
  readonly name: string;
  readonly version?: string;
  readonly architecture?: string;
  readonly source?: string;
  readonly files?: Readonly<Record<string, string>>;
  /** Entries that need more than text. */
  readonly entries?: Readonly<Record<string, Entry>>;
  readonly control?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly md5sums?: string;
}

/** A package as `openPackage` gives it, without an archive behind. */
export function packageOf(parts: PackageParts): DebianPackage {
  const { name, version = "1", architecture = "amd64" } = parts;
  const origin: Origin = { kind: "package", name, version, architecture };
  const entries = Object.entries(parts.files ?? {}).map(([path, text]): [string, Entry] => {
    if (path.endsWith("/"))
      return [path.slice(0, -1), { type: "directory", ...attributes(0o755, { origin }) }];
    if (text.startsWith("-> ")) {
      return [path, { type: "symlink", target: text.slice(3), ...attributes(0o777, { origin }) }];
    }
    const mode = /\/s?bin\//.test(path) ? 0o755 : 0o644;
    return [
      path,
      { type: "file", content: bytesContent(text, sha256(text)), ...attributes(mode, { origin }) },
    ];
  });
  const control = new Map(Object.entries({ package: name, version, architecture, ...parts.control }));
  return {
    name,
    version,
    architecture,
    origin,
    record: {
      name,
      version,
      architecture,
      ...(parts.source === undefined ? {} : { source: parts.source }),
      filename: "",
      size: 0,
      sha256: "0".repeat(64),
      installedSize: 0,
      mirror: "",
      suite: "",
    },
    control,
    controlText: [...control]
      .map(([field, value]) => `${field[0]?.toUpperCase()}${field.slice(1)}: ${value}\n`)
      .join(""),
    conffiles: [],
    scripts: new Map(Object.entries(parts.scripts ?? {})),
    tree: treeOf([...entries, ...Object.entries(parts.entries ?? {})]),
    md5sums: async () => parts.md5sums ?? "",
  };
}
