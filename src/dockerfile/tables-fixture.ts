import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe } from "vitest";

const folder = [
  fileURLToPath(new URL("../../../shared/corpora/tables/", import.meta.url)),
  fileURLToPath(new URL("../../../../shared/corpora/tables/", import.meta.url)),
].find((path) => existsSync(path));

if (folder === undefined) {
  console.warn(
    "The tables of the front end are not here (../shared/corpora/tables): their tests are left out.",
  );
}

/** `describe` for tests that compare with tables recorded from BuildKit and moby; skipped where those are absent. */
export const describeWithTables = describe.skipIf(folder === undefined);

/** The path of a table, or of a folder of them. */
export function tablePath(name: string): string {
  return `${folder}${name}`;
}

/** A table that is a text. */
export function tableText(name: string): string {
  return folder === undefined ? "" : readFileSync(tablePath(name), "utf8");
}

interface Table {
  readonly func: string;
  readonly line: number;
  readonly var: string;
  readonly table: unknown;
}

/** The rows of one table of a JSON file of tables. */
export function rowsOf<Rows>(file: string, func: string, variable: string): Rows {
  const tables = JSON.parse(tableText(file) || "[]") as readonly Table[];
  return tables.find((table) => table.func === func && table.var === variable)?.table as Rows;
}
