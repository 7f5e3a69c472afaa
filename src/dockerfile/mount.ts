import { csvFields } from "./csv.ts";
import type { Mount, Place } from "./instruction.ts";
import { mistake } from "./place.ts";

type Draft = { -readonly [Key in keyof Mount]: Mount[Key] };

const types = ["bind", "cache", "tmpfs", "secret", "ssh"] as const;
const sharings = ["shared", "private", "locked"] as const;

/** Every option of a mount. */
const keys =
  "type from source target readonly id sharing required mode uid gid size env src dst destination ro rw readwrite".split(
    " ",
  );

/**
 * Reads the value of one `--mount`.
 *
 * @param expand - fills the variables of an option's value in
 * @throws WhittleError `DOCKERFILE_INVALID` for what is not an option, or does not go with the mount's type
 */
export function parseMount(value: string, place: Place, expand: (text: string) => string): Mount {
  const mount: Draft = { type: "bind" };
  for (const field of fieldsOf(value, place)) {
    const equals = field.indexOf("=");
    const key = (equals === -1 ? field : field.slice(0, equals)).toLowerCase();
    const text = equals === -1 ? undefined : expand(field.slice(equals + 1));
    setOption(mount, key, text, field, place);
  }
  checkMount(mount, value, place);
  return mount;
}

function fieldsOf(value: string, place: Place): string[] {
  try {
    return csvFields(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw mistake(place, `failed to parse csv mounts: ${error.message}`, { part: value });
  }
}

/** Sets an option from the text behind its `=`, undefined when there is none. */
function setOption(mount: Draft, key: string, text: string | undefined, field: string, place: Place): void {
  const refuse = (message: string): never => {
    throw mistake(place, message, { part: field });
  };
  const truth = (): boolean => {
    if (text === undefined) return true;
    return truthOf(text) ?? refuse(`invalid value for ${key}: ${text}`);
  };
  if (key === "readonly" || key === "ro") mount.readOnly = truth();
  else if (key === "readwrite" || key === "rw") mount.readOnly = !truth();
  else if (key === "required") {
    if (mount.type !== "secret" && mount.type !== "ssh") refuse(misplaced(key, mount));
    mount.required = truth();
  } else if (text === undefined) refuse(`invalid field '${field}' must be a key=value pair`);
  else setValue(mount, key, text, field, place);
}

function setValue(mount: Draft, key: string, text: string, field: string, place: Place): void {
  const refuse = (message: string): never => {
    throw mistake(place, message, { part: field });
  };
  switch (key) {
    case "type":
      mount.type = oneOf(types, text, "unsupported mount type", field, place);
      break;
    case "sharing":
      mount.sharing = oneOf(sharings, text, "unsupported sharing value", field, place);
      break;
    case "from":
    case "id":
    case "env":
      mount[key] = text;
      break;
    case "source":
    case "src":
      mount.source = text;
      break;
    case "target":
    case "dst":
    case "destination":
      mount.target = text;
      break;
    case "size":
      if (mount.type !== "tmpfs") refuse(misplaced(key, mount));
      mount.size = sizeOf(text) ?? refuse(`invalid value for ${key}: ${text}`);
      break;
    case "mode":
    case "uid":
    case "gid":
      mount[key] = numberOf(text, key === "mode" ? 8 : 10) ?? refuse(`invalid value ${text} for ${key}`);
      break;
    default:
      throw mistake(place, `unexpected key '${key}' in '${field}'`, { part: field, meant: [key, keys] });
  }
}

function checkMount(mount: Draft, value: string, place: Place): void {
  const refuse = (message: string): never => {
    throw mistake(place, message, { part: value });
  };
  const { type } = mount;
  for (const key of ["mode", "uid", "gid"] as const) {
    if (mount[key] !== undefined && (type === "bind" || type === "tmpfs")) {
      refuse(`${key} not allowed for "${type}" type mounts`);
    }
  }
  if (type === "secret") {
    if (mount.from !== undefined) refuse("secret mount should not have a from");
    if (mount.sharing !== undefined) refuse("secret mount should not define sharing");
    if (!mount.source && !mount.target && !mount.id) {
      refuse("invalid secret mount. one of source, target required");
    }
    if (mount.source && mount.id) refuse("both source and id can't be set");
  }
  if (mount.sharing !== undefined && type !== "cache") refuse(`invalid cache sharing set for ${type} mount`);
}

function misplaced(key: string, mount: Mount): string {
  return `unexpected key '${key}' for mount type '${mount.type}'`;
}

function oneOf<const Value extends string>(
  values: readonly Value[],
  text: string,
  message: string,
  field: string,
  place: Place,
): Value {
  const found = values.find((value) => value === text.toLowerCase());
  if (found !== undefined) return found;
  throw mistake(place, `${message} ${JSON.stringify(text)}`, { part: field, meant: [text, values] });
}

/** A truth value as Go's `strconv.ParseBool` reads it. */
function truthOf(text: string): boolean | undefined {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
  return /^(?:0|f|F|FALSE|false|False)$/.test(text) ? false : undefined;
}

function numberOf(text: string, base: 8 | 10): number | undefined {
  if (!(base === 8 ? /^[0-7]+$/ : /^\d+$/).test(text)) return undefined;
  const number = Number.parseInt(text, base);
  return number <= 0xffff_ffff ? number : undefined;
}

/** A size with a unit of 1024 (`64m`, `1.5GiB`, `100`), as docker/go-units reads it. */
function sizeOf(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)*) ?(?:([kmgtp])?(?:ib?|b)?|b)$/i.exec(text);
  if (match === null) return undefined;
  const size = Number(match[1]) * 1024 ** ("kmgtp".indexOf((match[2] ?? "").toLowerCase() || "-") + 1);
  return Number.isFinite(size) ? Math.trunc(size) : undefined;
}
