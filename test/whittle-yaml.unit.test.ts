import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "..");

/** All names of properties, wherever they are in a JSON Schema. */
function keysOf(schema: unknown): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  return Object.entries(schema).flatMap(([name, value]) => [
    ...(name === "properties" ? Object.keys(value as object) : []),
    ...keysOf(value),
  ]);
}

it("documents every key of the schema", () => {
  const keys = new Set(keysOf(JSON.parse(readFileSync(join(root, "schema/whittle.json"), "utf8"))));
  expect(keys.size).toBeGreaterThan(40);
  const documentation = readFileSync(join(root, "docs/whittle-yaml.md"), "utf8");
  const documented = new Set(documentation.match(/(?<=`(?:\{ )?)[$\w]+(?=[`:])/g));
  expect([...keys].filter((key) => !documented.has(key))).toEqual([]);
});
