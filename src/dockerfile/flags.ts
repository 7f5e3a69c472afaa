import { mistake } from "./place.ts";
import type { Statement } from "./statement.ts";

/** What a flag of an instruction takes: a value, a truth value that may be left out, or several values. */
export type FlagKind = "text" | "boolean" | "texts";

type FlagValue<Kind extends FlagKind> = Kind extends "boolean"
  ? boolean
  : Kind extends "text"
    ? string
    : readonly string[];

/** The flags that were given; `texts` are there even when empty. */
export type Flags<Known extends Readonly<Record<string, FlagKind>>> = {
  readonly [Name in keyof Known]: Known[Name] extends "texts"
    ? readonly string[]
    : FlagValue<Known[Name]> | undefined;
};

/**
 * Reads the flags of a statement against those that its instruction knows.
 *
 * @throws WhittleError `DOCKERFILE_INVALID` for one that is unknown, given twice, without a value, or no boolean
 */
export function readFlags<const Known extends Readonly<Record<string, FlagKind>>>(
  statement: Statement,
  known: Known,
): Flags<Known> {
  const values = new Map<string, string | boolean | string[]>(
    Object.entries(known).flatMap(([name, kind]) => (kind === "texts" ? [[name, []]] : [])),
  );
  for (const flag of statement.flags) {
    const equals = flag.indexOf("=");
    const shown = equals === -1 ? flag : flag.slice(0, equals);
    const name = shown.slice(2);
    const value = equals === -1 ? undefined : flag.slice(equals + 1);
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    const refuse = (message: string): never => {
      throw mistake(statement.place, message, { part: shown });
    };
    if (kind === undefined) {
      throw mistake(statement.place, `unknown flag: ${shown}`, {
        part: shown,
        meant: [shown, Object.keys(known).map((one) => `--${one}`)],
        ...hintOf(statement, known),
      });
    }
    const before = values.get(name);
    if (Array.isArray(before)) before.push(value ?? refuse(`missing a value on flag: ${shown}`));
    else if (before !== undefined) refuse(`duplicate flag specified: ${shown}`);
    else if (kind === "boolean") values.set(name, truthOf(value, shown, refuse));
    else values.set(name, value ?? refuse(`missing a value on flag: ${shown}`));
  }
  return Object.fromEntries(values) as Flags<Known>;
}

function truthOf(value: string | undefined, shown: string, refuse: (message: string) => never): boolean {
  if (value === undefined) return true;
  if (value === "") refuse(`missing a value on flag: ${shown}`);
  const lower = value.toLowerCase();
  if (lower !== "true" && lower !== "false") {
    refuse(`expecting boolean value for flag ${shown}, not: ${value}`);
  }
  return lower === "true";
}

function hintOf(statement: Statement, known: Readonly<Record<string, FlagKind>>): { readonly hint: string } {
  const names = Object.keys(known).map((name) => `--${name}`);
  const command = statement.command.toUpperCase();
  return {
    hint:
      names.length === 0
        ? `${command} takes no flags; write "--" before an argument that starts with them`
        : `${command} takes ${names.join(", ")}`,
  };
}
