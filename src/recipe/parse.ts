import {
  type Document,
  type DocumentOptions,
  isMap,
  isNode,
  LineCounter,
  type Node,
  type Pair,
  type ParseOptions,
  parseDocument,
  type ScalarTag,
  type SchemaOptions,
} from "yaml";
import type { z } from "zod";
import { nearest, type SourceLocation, WhittleError } from "../io/index.ts";
import { projectSchema } from "./schema.ts";
import type { ProjectRecipe } from "./types.ts";

/** A mode is written as chmod takes it: with a zero in front it is octal, which YAML 1.2 no longer says of itself. */
const octal: ScalarTag = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  test: /^0[0-7]+$/,
  resolve: (text) => Number.parseInt(text, 8),
};

const reading: ParseOptions & DocumentOptions & SchemaOptions = {
  prettyErrors: false,
  uniqueKeys: true,
  merge: true,
  customTags: (tags) => [octal, ...tags],
};

/** Where the entry at a path of keys stands in a recipe that was found valid. */
export function placeInRecipe(source: string, file: string, path: readonly string[]): SourceLocation {
  const lines = new LineCounter();
  const document = parseDocument(source, { ...reading, lineCounter: lines });
  const { line, col } = lines.linePos(keyOffset(document, path));
  return { file, line, column: col, text: source.split(/\r?\n/)[line - 1] ?? "" };
}

/** A mistake in a recipe, at its place. */
function mistake(message: string, at: SourceLocation, hint?: string): WhittleError {
  return new WhittleError("RECIPE_INVALID", message, { at, ...(hint === undefined ? {} : { hint }) });
}

/**
 * Reads a `whittle.yaml`.
 *
 * @param source - its text
 * @param file - its name, for messages
 * @throws WhittleError `RECIPE_INVALID` with file, line and column of the first mistake
 */
export function parseRecipe(source: string, file: string): ProjectRecipe {
  const lines = new LineCounter();
  const document = parseDocument(source, { ...reading, lineCounter: lines });
  const locate = (offset: number): SourceLocation => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col, text: source.split(/\r?\n/)[line - 1] ?? "" };
  };
  const [problem] = document.errors;
  if (problem !== undefined) {
    throw mistake(`Cannot read ${file}: ${wordingOfYaml(problem)}`, locate(problem.pos[0]));
  }
  const result = projectSchema.safeParse(plainValue(document, file, locate));
  if (result.success) return result.data;
  const issue = mostTelling(result.error.issues);
  throw explain(document, issue, locate);
}

function plainValue(document: Document, file: string, locate: (offset: number) => SourceLocation): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    if (value === null || typeof value !== "object" || Array.isArray(value)) {
      throw mistake(`Cannot read ${file}: it holds no keys, "images:" is wanted`, locate(0));
    }
    return value;
  } catch (error) {
    if (error instanceof WhittleError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw mistake(`Cannot read ${file}: ${lowerFirst(reason)}`, locate(0));
  }
}

type Issue = z.core.$ZodIssue;

/**
 * The issue to show. A key that is not known comes first, since it is often why another one is missing; of an
 * issue with alternatives, the alternative that got furthest into the document.
 */
function mostTelling(issues: readonly Issue[]): Issue {
  const flat = issues.map((issue) => {
    if (issue.code !== "invalid_union") return issue;
    const alternatives = issue.errors
      .filter((inner) => inner.length > 0)
      .map((inner) =>
        mostTelling(inner.map((each) => ({ ...each, path: [...issue.path, ...each.path] }) as Issue)),
      );
    return alternatives.sort((a, b) => rank(b) - rank(a))[0] ?? issue;
  });
  const shown = flat.find((issue) => issue.code === "unrecognized_keys") ?? flat[0];
  if (shown === undefined) throw new Error("Internal error: a schema failed without an issue");
  return shown;
}

function rank(issue: Issue): number {
  return issue.path.length + (issue.code === "unrecognized_keys" ? 2 : 0);
}

function explain(document: Document, issue: Issue, locate: (offset: number) => SourceLocation): WhittleError {
  const where = issue.path.length === 0 ? "the recipe" : issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0] ?? "";
    const meant = nearest(key, knownKeys(issue.path));
    const at = locate(keyOffset(document, [...issue.path, key]));
    return mistake(
      `Cannot use the key "${key}" in ${where}: it is not known there`,
      at,
      meant === undefined ? `known keys: ${knownKeys(issue.path).join(", ")}` : `did you mean "${meant}"?`,
    );
  }
  const found = document.getIn(issue.path as string[], false);
  if (found === undefined) {
    const missing = String(issue.path.at(-1));
    const above = issue.path.slice(0, -1);
    return mistake(
      `Cannot use ${above.length === 0 ? "the recipe" : above.map(String).join(".")}: it has no "${missing}", which is wanted`,
      locate(keyOffset(document, above)),
    );
  }
  return mistake(`Cannot use ${where}: ${wordingOf(issue)}`, locate(valueOffset(document, issue.path)));
}

/** What YAML's parser says, for somebody who writes YAML and has no parser at hand. */
function wordingOfYaml(problem: { code: string; message: string }): string {
  if (problem.code === "MULTIPLE_DOCS") return "a second document begins here, one is wanted";
  return lowerFirst(problem.message);
}

const kinds: Readonly<Record<string, string>> = {
  array: "a list",
  boolean: "true or false",
  int: "a whole number",
  number: "a number",
  object: "a mapping of keys to values",
  record: "a mapping of names to values",
  string: "a text",
};

/** What the schema says, in the words of YAML. */
function wordingOf(issue: Issue): string {
  if (issue.code !== "invalid_type") return lowerFirst(issue.message);
  return `${kinds[issue.expected] ?? issue.expected} is wanted`;
}

/** The keys that the schema knows at a path; none where it takes any. */
function knownKeys(path: readonly PropertyKey[]): string[] {
  let at: unknown = projectSchema;
  for (const part of path) at = step(at, part);
  return objectShapes(at).flatMap((shape) => Object.keys(shape));
}

interface Definition {
  readonly type: string;
  readonly innerType?: unknown;
  readonly options?: readonly unknown[];
  readonly valueType?: unknown;
  readonly element?: unknown;
  readonly shape?: Record<string, unknown>;
  readonly in?: unknown;
}

function definitionOf(schema: unknown): Definition | undefined {
  return (schema as { def?: Definition } | undefined)?.def;
}

/** The object shapes that a schema may take, through optionals and alternatives. */
function objectShapes(schema: unknown): Record<string, unknown>[] {
  const definition = definitionOf(schema);
  if (definition === undefined) return [];
  if (definition.shape !== undefined) return [definition.shape];
  if (definition.innerType !== undefined) return objectShapes(definition.innerType);
  if (definition.in !== undefined) return objectShapes(definition.in);
  return (definition.options ?? []).flatMap(objectShapes);
}

function step(schema: unknown, part: PropertyKey): unknown {
  const definition = definitionOf(schema);
  if (definition === undefined) return undefined;
  if (definition.innerType !== undefined) return step(definition.innerType, part);
  if (definition.valueType !== undefined) return definition.valueType;
  if (definition.element !== undefined) return definition.element;
  if (definition.shape !== undefined) return definition.shape[String(part)];
  for (const option of definition.options ?? []) {
    const found = step(option, part);
    if (found !== undefined) return found;
  }
  return undefined;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined;
}

/** Where the key at the end of a path stands; the document's start when there is none. */
function keyOffset(document: Document, path: readonly PropertyKey[]): number {
  if (path.length === 0) return startOf(document.contents) ?? 0;
  const above = document.getIn(path.slice(0, -1) as string[], true) ?? document.contents;
  const key = String(path.at(-1));
  if (isMap(above)) {
    const pair = above.items.find((item: Pair) => String(item.key) === key);
    const offset = startOf(pair?.key);
    if (offset !== undefined) return offset;
  }
  return valueOffset(document, path);
}

function valueOffset(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const offset = startOf(document.getIn(path.slice(0, length) as string[], true));
    if (offset !== undefined) return offset;
  }
  return startOf(document.contents) ?? 0;
}

function lowerFirst(text: string): string {
  return /^[A-Z][a-z ]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}
