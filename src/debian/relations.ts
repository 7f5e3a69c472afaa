import { WhittleError } from "../io/index.ts";
import { compareVersions } from "./version.ts";

/** The comparison of a versioned relation (Debian Policy §7.1). */
export type VersionOperator = "<<" | "<=" | "=" | ">=" | ">>";

/** One alternative of a relation field: `name:qualifier (op version) [architectures] <profiles>`. */
export interface Relation {
  readonly name: string;
  /** What follows the colon: `any`, `native` or an architecture. */
  readonly qualifier?: string;
  readonly operator?: VersionOperator;
  readonly version?: string;
  /** Architecture restrictions, as written: `["amd64", "arm64"]` or `["!s390x"]`. */
  readonly architectures?: readonly string[];
  /** Build profile restrictions: one list for each pair of angle brackets, all of one list must hold. */
  readonly profiles?: readonly (readonly string[])[];
}

/** Alternatives separated by `|`: one of them must hold. */
export type RelationGroup = readonly Relation[];

const relationPattern =
  /\s*([^\s:()|,<>[\]]+)(?::([^\s:()|,<>[\]]+))?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s()<>=]+)\s*\))?\s*(?:\[([^\]]*)\])?\s*((?:<[^>]*>\s*)*)([,|]|$)/y;

/**
 * Parses a relation field such as `Depends` (Debian Policy §7.1): groups separated by commas, all of which must hold.
 *
 * @throws WhittleError `ARCHIVE_CORRUPT` for what is no relation, with the place
 */
export function parseRelations(text: string): RelationGroup[] {
  const groups: RelationGroup[] = [];
  let group: Relation[] = [];
  let at = 0;
  while (at < text.length && text.slice(at).trim() !== "") {
    relationPattern.lastIndex = at;
    const match = relationPattern.exec(text);
    if (match === null) throw malformed(text, at);
    group.push(relationOf(match));
    at = relationPattern.lastIndex;
    if (match[7] === "|") continue;
    groups.push(group);
    group = [];
  }
  if (group.length > 0) throw malformed(text, at);
  return groups;
}

function relationOf(match: RegExpExecArray): Relation {
  const [, name = "", qualifier, operator, version, architectures, profiles] = match;
  return {
    name,
    ...(qualifier === undefined ? {} : { qualifier }),
    ...(operator === undefined || version === undefined ? {} : { operator: modern(operator), version }),
    ...(architectures === undefined ? {} : { architectures: architectures.split(/\s+/).filter(Boolean) }),
    ...(profiles === undefined || profiles === "" ? {} : { profiles: profileLists(profiles) }),
  };
}

/** `<` and `>` are the obsolete spellings of `<=` and `>=`. */
function modern(operator: string): VersionOperator {
  if (operator === "<") return "<=";
  if (operator === ">") return ">=";
  return operator as VersionOperator;
}

function profileLists(text: string): string[][] {
  return [...text.matchAll(/<([^>]*)>/g)].map((list) => (list[1] ?? "").split(/\s+/).filter(Boolean));
}

function malformed(text: string, at: number): WhittleError {
  const found = text.slice(at, at + 40).trim() || "the end of the field";
  return new WhittleError(
    "ARCHIVE_CORRUPT",
    `Cannot read a relation between packages: found "${found}", wanted a package name with an optional version`,
  );
}

/** Writes a relation as Debian writes it. */
export function formatRelation(relation: Relation): string {
  const { name, qualifier, operator, version, architectures, profiles } = relation;
  return [
    qualifier === undefined ? name : `${name}:${qualifier}`,
    ...(operator === undefined ? [] : [`(${operator} ${version})`]),
    ...(architectures === undefined ? [] : [`[${architectures.join(" ")}]`]),
    ...(profiles ?? []).map((list) => `<${list.join(" ")}>`),
  ].join(" ");
}

/** Writes a whole field: `a | b (>= 1), c`. */
export function formatRelations(groups: readonly RelationGroup[]): string {
  return groups.map((group) => group.map(formatRelation).join(" | ")).join(", ");
}

/**
 * Whether a version holds against a relation's comparison.
 *
 * @param version - of the package, or of a `Provides`; an unversioned `Provides` satisfies no versioned relation
 */
export function satisfies(relation: Relation, version: string | undefined): boolean {
  if (relation.operator === undefined || relation.version === undefined) return true;
  if (version === undefined) return false;
  const order = compareVersions(version, relation.version);
  switch (relation.operator) {
    case "<<":
      return order < 0;
    case "<=":
      return order <= 0;
    case "=":
      return order === 0;
    case ">=":
      return order >= 0;
    case ">>":
      return order > 0;
  }
}

/** Whether a relation's restrictions let it count for an architecture, with the active build profiles. */
export function appliesTo(
  relation: Relation,
  architecture: string,
  activeProfiles: readonly string[] = [],
): boolean {
  return (
    architectureApplies(relation.architectures, architecture) &&
    (relation.profiles ?? [[]]).some((list) => list.every((term) => profileHolds(term, activeProfiles)))
  );
}

function architectureApplies(restrictions: readonly string[] | undefined, architecture: string): boolean {
  if (restrictions === undefined || restrictions.length === 0) return true;
  const negated = restrictions[0]?.startsWith("!") === true;
  const named = restrictions.some((term) => matchesArchitecture(term.replace(/^!/, ""), architecture));
  return negated ? !named : named;
}

/** `any`, `linux-any`, `any-amd64` and plain names (Debian Policy §11.1.1). */
function matchesArchitecture(wildcard: string, architecture: string): boolean {
  return [architecture, "any", "linux-any", `any-${architecture}`, `linux-${architecture}`].includes(
    wildcard,
  );
}

function profileHolds(term: string, active: readonly string[]): boolean {
  return term.startsWith("!") ? !active.includes(term.slice(1)) : active.includes(term);
}
