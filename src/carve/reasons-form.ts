import { canonicalJson, WhittleError } from "../io/index.ts";
import { compareNames, type Origin, parentOf, type TreePath } from "../tree/index.ts";
import { type Dropped, type DroppedForm, decodeDropped, encodeDropped } from "./dropped.ts";
import { frontCode, frontDecode } from "./front-coding.ts";
import type { How, Reason } from "./need.ts";

/**
 * Reasons as JSON: tables of what occurs often, and tuples of places in them. That a directory is kept for what
 * is in it is not written, since it follows from the paths.
 */
export interface ReasonsForm {
  readonly version: 1;
  /** Kept paths in byte order, front-coded. */
  readonly paths: string;
  readonly hows: readonly How[];
  /** Flat triples: place of `from` + 1 (0: the person), place of `to`, place in `hows`. */
  readonly reasons: readonly number[];
  readonly origins: readonly Origin[];
  /** For each path its place in `origins` + 1 (0: unknown), as `NUMBER` or `NUMBERxTIMES`. */
  readonly from: string;
  readonly dropped: readonly DroppedForm[];
}

/** What the form holds. */
export interface ReasonsParts {
  readonly reasons: Reason[];
  readonly origins: Map<TreePath, Origin>;
  readonly dropped: Map<TreePath, Dropped>;
}

/** @see ReasonsForm */
export function encodeReasons(
  reasons: readonly Reason[],
  origins: ReadonlyMap<TreePath, Origin>,
  dropped: ReadonlyMap<TreePath, Dropped>,
): ReasonsForm {
  const paths = [...new Set(reasons.map((reason) => reason.to))].sort(compareNames);
  const place = new Map(paths.map((path, index) => [path, index]));
  const hows = table(reasons.filter((reason) => !isParent(reason)).map((reason) => reason.how));
  const known = table([
    ...paths.map((path) => origins.get(path)).filter((origin) => origin !== undefined),
    ...[...dropped.values()].map(({ origin }) => origin).filter((origin) => origin !== undefined),
  ]);
  const triples: number[] = [];
  for (const reason of reasons) {
    if (isParent(reason)) continue;
    const from = reason.from === undefined ? 0 : (place.get(reason.from) ?? -1) + 1;
    triples.push(from, place.get(reason.to) ?? 0, hows.place(reason.how));
  }
  return {
    version: 1,
    paths: frontCode(paths),
    hows: hows.values,
    reasons: triples,
    origins: known.values,
    from: runs(paths.map((path) => known.place(origins.get(path)) + 1)),
    dropped: encodeDropped(dropped, known.place),
  };
}

/**
 * The inverse of {@link encodeReasons}.
 *
 * @throws WhittleError `IMAGE_INVALID`
 */
export function decodeReasons(value: unknown): ReasonsParts {
  const form = checked(value);
  const paths = frontDecode(form.paths);
  const reasons: Reason[] = [];
  for (let i = 0; i + 2 < form.reasons.length; i += 3) {
    const [from = -1, to = -1, how = -1] = form.reasons.slice(i, i + 3);
    const target = paths[to];
    const kind = form.hows[how];
    const source = from === 0 ? undefined : paths[from - 1];
    if (target === undefined || kind === undefined || (from !== 0 && source === undefined)) {
      throw invalid(`triple ${i / 3} leads outside the tables`);
    }
    reasons.push({ from: source, to: target, how: kind });
  }
  for (const path of paths) {
    const parent = parentOf(path);
    if (parent !== "/") reasons.push({ from: path, to: parent, how: { kind: "parent" } });
  }
  const origins = new Map<TreePath, Origin>();
  for (const [index, number] of unrun(form.from, paths.length).entries()) {
    const origin = form.origins[number - 1];
    const path = paths[index];
    if (origin !== undefined && path !== undefined) origins.set(path, origin);
  }
  return { reasons, origins, dropped: decodeDropped(form.dropped, form.origins) };
}

function isParent({ from, to, how }: Reason): boolean {
  return how.kind === "parent" && from !== undefined && parentOf(from) === to;
}

/** Distinct JSON values in canonical order, and where each one is. */
function table<V>(values: Iterable<V>): { values: V[]; place(value: V | undefined): number } {
  // Thousands of paths share a few values, and most of them the very same object.
  const textOf = new Map<V, string>();
  for (const value of values) if (!textOf.has(value)) textOf.set(value, canonicalJson(value));
  const texts = [...new Set(textOf.values())].sort();
  const places = new Map(texts.map((text, index) => [text, index]));
  return {
    values: texts.map((text) => JSON.parse(text) as V),
    place: (value) =>
      value === undefined ? -1 : (places.get(textOf.get(value) ?? canonicalJson(value)) ?? -1),
  };
}

function runs(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length; ) {
    let end = i + 1;
    while (end < numbers.length && numbers[end] === numbers[i]) end++;
    parts.push(end - i === 1 ? `${numbers[i]}` : `${numbers[i]}x${end - i}`);
    i = end;
  }
  return parts.join(" ");
}

function unrun(text: string, most: number): number[] {
  const numbers: number[] = [];
  for (const part of text === "" ? [] : text.split(" ")) {
    const [number = "", times = "1"] = part.split("x");
    const count = Number(times);
    if (!/^\d+$/.test(number) || !(count >= 1) || numbers.length + count > most) {
      throw invalid(`"${part.slice(0, 40)}" is not a run`);
    }
    for (let i = 0; i < count; i++) numbers.push(Number(number));
  }
  return numbers;
}

function checked(value: unknown): ReasonsForm {
  const form = value as Partial<Record<keyof ReasonsForm, unknown>> | null;
  if (form === null || typeof form !== "object" || form.version !== 1) throw invalid("it is not version 1");
  const objects = (list: unknown, key: string): boolean =>
    Array.isArray(list) &&
    list.every((item) => typeof (item as Record<string, unknown> | null)?.[key] === "string");
  const isDropped = (item: unknown): boolean =>
    Array.isArray(item) &&
    Number.isInteger(item[0]) &&
    typeof item[1] === "string" &&
    typeof item[2] === "string";
  const sound =
    typeof form.paths === "string" &&
    typeof form.from === "string" &&
    objects(form.hows, "kind") &&
    objects(form.origins, "kind") &&
    Array.isArray(form.reasons) &&
    form.reasons.every(Number.isInteger) &&
    Array.isArray(form.dropped) &&
    form.dropped.every(isDropped);
  if (!sound) throw invalid("a table is missing or malformed");
  return form as ReasonsForm;
}

function invalid(found: string): WhittleError {
  return new WhittleError(
    "IMAGE_INVALID",
    `Cannot read the reasons of an image: ${found}, the form that Whittle attaches is wanted`,
    { hint: "build the image again" },
  );
}
