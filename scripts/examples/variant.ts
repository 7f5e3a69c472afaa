import { join } from "node:path";
import { root, say, whittle } from "../program.ts";

/** One way in which an example is packaged, measured: a row of the table. */
export interface Variant {
  readonly example: string;
  readonly name: string;
  readonly platforms: number;
  /** Bytes of the native image's layers as they travel. */
  readonly packed: number;
  /** Bytes of its files. */
  readonly unpacked: number;
  readonly files: number;
  readonly shell: boolean;
  /** Names of the package managers in it. */
  readonly managers: readonly string[];
  readonly user: string;
  readonly seconds: number;
}

interface InspectedImage {
  readonly platform: string;
  readonly config: { readonly User?: string };
  readonly layers: readonly { readonly size: number }[];
}

interface ListedFile {
  readonly path: string;
  readonly type: string;
  readonly size: number;
}

const shells = /^\/(usr\/)?bin\/(sh|bash|dash|busybox)$/;
const managers = /^\/usr\/(?:local\/)?bin\/(apt|apk|dpkg|pip)$/;

/** Where an example lives. */
export function directoryOf(example: string): string {
  return join(root, "examples", example);
}

/** What an image of an example is called in the store. */
export function referenceOf(example: string, name: string): string {
  return `${example}:${name}`;
}

/** Builds one image of an example, for all its platforms, and measures the native one. */
export function build(example: string, name: string): Variant {
  const reference = referenceOf(example, name);
  say(`  building ${reference}`);
  const since = performance.now();
  whittle(["build", directoryOf(example), "--image", name, "-t", reference]);
  const seconds = (performance.now() - since) / 1000;
  say(`  ✓ built ${reference} in ${seconds.toFixed(1)} s`);
  const { images } = JSON.parse(whittle(["inspect", "--format", "json", reference])) as {
    readonly images: readonly InspectedImage[];
  };
  const listed = JSON.parse(whittle(["tree", "--format", "json", reference])) as readonly ListedFile[];
  const files = listed.filter(({ type }) => type === "file");
  const native = images[0];
  return {
    example,
    name,
    platforms: images.length,
    packed: (native?.layers ?? []).reduce((sum, { size }) => sum + size, 0),
    unpacked: files.reduce((sum, { size }) => sum + size, 0),
    files: files.length,
    shell: listed.some(({ path }) => shells.test(path)),
    managers: [...new Set(listed.flatMap(({ path }) => managers.exec(path)?.[1] ?? []))].sort(),
    user: native?.config.User || "root",
    seconds,
  };
}

/** Builds a stage that is a check: that it can be built is the answer. */
export function check(example: string, name: string): void {
  say(`  building ${name} of ${example}`);
  const since = performance.now();
  whittle(["build", directoryOf(example), "--image", name]);
  say(`  ✓ ${name} of ${example} passes (${((performance.now() - since) / 1000).toFixed(1)} s)`);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** The variants side by side, largest first within each example. */
export function table(variants: readonly Variant[]): string {
  const head = [
    "example",
    "variant",
    "platforms",
    "packed",
    "unpacked",
    "files",
    "shell",
    "managers",
    "user",
  ];
  const rows = variants
    .toSorted((a, b) => (a.example === b.example ? b.unpacked - a.unpacked : 0))
    .map((variant) => [
      variant.example,
      variant.name,
      String(variant.platforms),
      megabytes(variant.packed),
      megabytes(variant.unpacked),
      String(variant.files),
      variant.shell ? "yes" : "no",
      variant.managers.join(" ") || "none",
      variant.user,
    ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
