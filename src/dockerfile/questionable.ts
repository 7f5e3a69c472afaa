import type { Stage } from "./instruction.ts";
import { pointAt } from "./place.ts";
import type { Statement } from "./statement.ts";
import type { Warning } from "./statements.ts";

/** What is allowed but questionable in how a Dockerfile is written; the rules have the names that BuildKit gives them. */
export function questionable(statements: readonly Statement[], stages: readonly Stage[]): Warning[] {
  return [...statements.flatMap(oldForms), ...repeatedNames(stages)];
}

function oldForms(statement: Statement): Warning[] {
  const name = statement.command.toUpperCase();
  const at = pointAt(statement.place);
  if (name === "MAINTAINER") {
    const message = "Maintainer instruction is deprecated in favor of using label";
    return [{ rule: "MaintainerDeprecated", message, at }];
  }
  if ((name === "ENV" || name === "LABEL") && statement.arguments.words[2] === "") {
    const message = `"${name} key=value" should be used instead of legacy "${name} key value" format`;
    return [{ rule: "LegacyKeyValueFormat", message, at }];
  }
  const given = name === "FROM" ? statement.arguments.words[2] : undefined;
  if (given !== undefined && given !== given.toLowerCase()) {
    const message = `Stage name '${given}' should be lowercase`;
    return [{ rule: "StageNameCasing", message, at: pointAt(statement.place, given) }];
  }
  return [];
}

function repeatedNames(stages: readonly Stage[]): Warning[] {
  const seen = new Set<string>();
  const warnings: Warning[] = [];
  for (const { name, place } of stages) {
    if (name === undefined) continue;
    if (seen.has(name)) {
      const message = `Duplicate stage name ${JSON.stringify(name)}, stage names should be unique`;
      warnings.push({ rule: "DuplicateStageName", message, at: pointAt(place, name) });
    }
    seen.add(name);
  }
  return warnings;
}
