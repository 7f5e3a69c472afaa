/** What Go's encoder is given: members stand in the order of the struct's fields, undefined ones are left out. */
export type GoValue =
  | string
  | number
  | boolean
  | readonly GoValue[]
  | { readonly [member: string]: GoValue | undefined };

/** Unlike JSON.stringify, Go escapes what could end a script in HTML (encoding/json, `HTMLEscape`). */
const escaped = /[<>&\u2028\u2029]/g;

/** JSON as Go's `encoding/json` writes it: BuildKit's names are digests of such texts. */
export function goJson(value: GoValue): string {
  return JSON.stringify(value).replace(
    escaped,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A member that `omitempty` leaves out where it has its zero value. */
export function unlessEmpty<Value extends GoValue>(value: Value | undefined): Value | undefined {
  if (value === "" || value === 0 || value === false) return undefined;
  return Array.isArray(value) && value.length === 0 ? undefined : value;
}

/** Bytes are base64 in Go's JSON. */
export function goBytes(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
