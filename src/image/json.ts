import { isDigest, WhittleError } from "../io/index.ts";

/** Refuses a value that is not of its kind; `at` is where it stands in the document: `layers[0].size`. */
export type Check = (value: unknown, at: string) => void;

type JsonObject = Readonly<Record<string, unknown>>;

/** What a document may be at most. A value takes some hundred times the room in memory that it has in the text. */
export interface DocumentLimits {
  readonly bytes: number;
  /** Levels of lists and objects in each other. */
  readonly depth: number;
  /** Members of lists and objects, at all levels. */
  readonly values: number;
}

/**
 * Reads a JSON document from outside, without trusting its size, its nesting or its number of values.
 *
 * @param what - its name in an error: "the manifest"
 * @throws WhittleError `IMAGE_INVALID`
 */
export function parseJson(bytes: Uint8Array, what: string, limits: DocumentLimits): unknown {
  if (bytes.length > limits.bytes) {
    throw unreadable(what, `it has ${bytes.length} bytes, at most ${limits.bytes} are accepted`);
  }
  const { depth, values } = shapeOf(bytes);
  if (depth > limits.depth) throw unreadable(what, `it nests deeper than ${limits.depth} levels`);
  if (values > limits.values) {
    throw unreadable(what, `it has ${values} values, at most ${limits.values} are accepted`);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown;
  } catch (cause) {
    throw unreadable(what, "it is not JSON in UTF-8", cause);
  }
}

/** Runs a check over a whole document, so that its errors say which document it was. */
export function checkDocument(value: unknown, what: string, check: Check): void {
  try {
    check(value, "");
  } catch (error) {
    if (error instanceof Refusal) throw unreadable(what, error.message);
    throw error;
  }
}

/** The depth of brackets and braces outside strings, whether or not they match, and at least the number of values. */
function shapeOf(bytes: Uint8Array): { readonly depth: number; readonly values: number } {
  let depth = 0;
  let deepest = 0;
  // Every value but the outermost follows a comma or is the first in a list or an object.
  let values = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (inString) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x2c) values++;
    else if (byte === 0x7b || byte === 0x5b) {
      values++;
      deepest = Math.max(deepest, ++depth);
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return { depth: deepest, values };
}

class Refusal extends Error {}

function unreadable(what: string, found: string, cause?: unknown): WhittleError {
  return new WhittleError("IMAGE_INVALID", `Cannot read ${what}: ${found}`, { cause });
}

/** Refuses the value at a place in the document. */
export function refuse(value: unknown, at: string, wanted: string): never {
  const shown = value === undefined ? "missing" : (JSON.stringify(value) ?? String(value)).slice(0, 80);
  throw new Refusal(`${at === "" ? "the document" : at} is ${shown}, ${wanted} is wanted`);
}

/** Any string. */
export const text: Check = (value, at) => {
  if (typeof value !== "string") refuse(value, at, "a string");
};

/** A string of a certain shape. */
export function shaped(shape: RegExp, wanted: string): Check {
  return (value, at) => {
    if (typeof value !== "string" || !shape.test(value)) refuse(value, at, wanted);
  };
}

/** `true` or `false`. */
export const flag: Check = (value, at) => {
  if (typeof value !== "boolean") refuse(value, at, "true or false");
};

/** Any integer that a double holds exactly. */
export const integer: Check = (value, at) => {
  if (!Number.isSafeInteger(value)) refuse(value, at, "an integer");
};

/** A number of bytes. */
export const size: Check = (value, at) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) refuse(value, at, "a number of bytes");
};

/** A digest that we can verify. */
export const digest: Check = (value, at) => {
  if (typeof value !== "string" || !isDigest(value)) refuse(value, at, "a sha256 or sha512 digest");
};

/** Exactly this value. */
export function exactly(wanted: string | number): Check {
  return (value, at) => {
    if (value !== wanted) refuse(value, at, JSON.stringify(wanted));
  };
}

/** The check, or `null`: Go programs write `null` for what is empty. */
export function nullable(check: Check): Check {
  return (value, at) => {
    if (value !== null) check(value, at);
  };
}

/** A list of at least `least` items. */
export function list(item: Check, least = 0): Check {
  return (value, at) => {
    if (!Array.isArray(value) || value.length < least) {
      refuse(value, at, least > 0 ? `a list of at least ${least}` : "a list");
    }
    value.forEach((member, i) => {
      item(member, `${at}[${i}]`);
    });
  };
}

/** An object whose members are all of one kind. */
export function mapOf(item: Check): Check {
  return (value, at) => {
    const object = asObject(value, at);
    for (const key of Object.keys(object)) item(object[key], within(at, key));
  };
}

/**
 * An object with known members. Others pass, except those that differ from a known one in case only: Go's JSON
 * reader would take them for the known one, so two programs would read two different documents.
 */
export function members(known: Readonly<Record<string, Check>>, required: readonly string[]): Check {
  const spelling = new Map(Object.keys(known).map((key) => [key.toLowerCase(), key]));
  return (value, at) => {
    const object = asObject(value, at);
    for (const key of required) if (object[key] === undefined) refuse(undefined, within(at, key), "it");
    for (const key of Object.keys(object)) {
      const usual = spelling.get(key.toLowerCase());
      if (usual === undefined) continue;
      if (usual !== key) refuse(key, within(at, key), `the spelling ${usual}`);
      known[key]?.(object[key], within(at, key));
    }
  };
}

function asObject(value: unknown, at: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(value, at, "an object");
  return value as JsonObject;
}

function within(at: string, key: string): string {
  return at === "" ? key.slice(0, 80) : `${at}.${key.slice(0, 80)}`;
}
