import type { Entry, Origin, TreePath } from "../tree/index.ts";
import { frontCode, frontDecode } from "./front-coding.ts";

/** What a dropped path was. */
export interface Dropped {
  readonly type: Entry["type"];
  /** Bytes; 0 for anything but a file. */
  readonly size: number;
  readonly origin?: Origin;
}

/** One letter a type, as `find -type` and `ls -l` know them. */
const letters = {
  file: "-",
  directory: "d",
  symlink: "l",
  character: "c",
  block: "b",
  fifo: "p",
} as const satisfies Record<Entry["type"], string>;

const types = new Map(Object.entries(letters).map(([type, letter]) => [letter, type as Entry["type"]]));

/** Dropped paths of one origin: front-coded names, and for each `letter` or `-SIZE` in the same order. */
export type DroppedForm = readonly [origin: number, paths: string, kinds: string];

/** The compact form, grouped by origin; `number` gives an origin its place in a table, or -1. */
export function encodeDropped(
  dropped: ReadonlyMap<TreePath, Dropped>,
  number: (origin: Origin | undefined) => number,
): DroppedForm[] {
  const groups = new Map<number, TreePath[]>();
  for (const [path, { origin }] of dropped) {
    const group = number(origin);
    const paths = groups.get(group);
    if (paths === undefined) groups.set(group, [path]);
    else paths.push(path);
  }
  return [...groups]
    .sort(([a], [b]) => a - b)
    .map(([origin, paths]) => {
      paths.sort();
      return [origin, frontCode(paths), paths.map((path) => kindOf(dropped.get(path))).join(" ")] as const;
    });
}

/** The inverse of {@link encodeDropped}; kinds that make no sense count as empty files. */
export function decodeDropped(
  forms: readonly DroppedForm[],
  origins: readonly Origin[],
): Map<TreePath, Dropped> {
  const dropped = new Map<TreePath, Dropped>();
  for (const [number, paths, kinds] of forms) {
    const origin = origins[number];
    const kind = kinds.split(" ");
    for (const [index, path] of frontDecode(paths).entries()) {
      const text = kind[index] ?? "-";
      const size = Number.parseInt(text.slice(1), 36);
      dropped.set(path, {
        type: types.get((text[0] ?? "-") as "-") ?? "file",
        size: Number.isSafeInteger(size) ? size : 0,
        ...(origin === undefined ? {} : { origin }),
      });
    }
  }
  return dropped;
}

function kindOf(dropped: Dropped | undefined): string {
  if (dropped === undefined) return letters.file;
  return letters[dropped.type] + (dropped.type === "file" ? dropped.size.toString(36) : "");
}
