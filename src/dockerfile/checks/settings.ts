import { experimentalRules } from "./rules.ts";

/** Which build checks count, and whether a build fails when one of them finds something. */
export interface CheckSettings {
  /** Rules that are left out; experimental ones are not among them. */
  readonly skip: "all" | ReadonlySet<string>;
  /** Experimental rules that count. */
  readonly experimental: "all" | ReadonlySet<string>;
  readonly error: boolean;
}

// What Go's strconv.ParseBool takes.
const truths: ReadonlyMap<string, boolean> = new Map([
  ...["1", "t", "T", "TRUE", "true", "True"].map((word) => [word, true] as const),
  ...["0", "f", "F", "FALSE", "false", "False"].map((word) => [word, false] as const),
]);

/**
 * Reads the value of the directive `check`, or of the build argument that overrides it:
 * `skip=RULE,…|all;error=true;experimental=RULE,…|all`.
 *
 * @throws RangeError that says what is wrong, in BuildKit's words
 */
export function readCheckSettings(text: string): CheckSettings {
  const settings: { -readonly [Key in keyof CheckSettings]: CheckSettings[Key] } = {
    skip: new Set(),
    experimental: new Set(),
    error: false,
  };
  if (text.trim() === "") return settings;
  for (const part of text.trim().split(";")) {
    const equals = part.indexOf("=");
    if (equals < 0) throw new RangeError(`invalid check option ${JSON.stringify(part)}`);
    const key = part.slice(0, equals).trim();
    const value = part.slice(equals + 1).trim();
    if (key === "skip" || key === "experimental") settings[key] = rulesOf(value);
    else if (key === "error") {
      const truth = truths.get(value);
      if (truth === undefined) {
        throw new RangeError(`failed to parse check option ${JSON.stringify(part)}: true or false is wanted`);
      }
      settings.error = truth;
    } else throw new RangeError(`invalid check option ${JSON.stringify(key)}`);
  }
  return settings;
}

function rulesOf(value: string): "all" | ReadonlySet<string> {
  return value === "all" ? "all" : new Set(value.split(",").map((name) => name.trim()));
}

/** Whether a rule counts. */
export function isChecked(rule: string, { skip, experimental }: CheckSettings): boolean {
  if (experimentalRules.has(rule)) return experimental === "all" || experimental.has(rule);
  return skip !== "all" && !skip.has(rule);
}
