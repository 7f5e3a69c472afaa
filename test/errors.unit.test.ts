import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { errorCodes } from "../src/io/index.ts";

const root = join(import.meta.dirname, "..");

/** Words in capitals, as codes are written, in the sources; tests do not throw. */
const written = new Set(
  globSync("src/**/*.ts", { cwd: root })
    .filter((file) => !/\.(test|contract)\.ts$/.test(file))
    .flatMap((file) => readFileSync(join(root, file), "utf8").match(/(?<=")[A-Z]+(_[A-Z]+)*(?=")/g) ?? []),
);
const sources = globSync("src/**/*.ts", { cwd: root })
  .filter((file) => !file.endsWith(".test.ts"))
  .map((file) => readFileSync(join(root, file), "utf8"))
  .join("\n");
const documentation = readFileSync(join(root, "docs/errors.md"), "utf8");

it("throws every code that there is", () => {
  expect(Object.keys(errorCodes).filter((code) => !written.has(code))).toEqual([]);
});

it("has every code that is thrown", () => {
  const thrown = [...sources.matchAll(/new WhittleError\(\s*"([^"]+)"/g)].map(([, code]) => code ?? "");
  expect(thrown.length).toBeGreaterThan(50);
  expect(thrown.filter((code) => !(code in errorCodes))).toEqual([]);
});

it("documents every code with its exit status and meaning, and no other", () => {
  const rows = documentation.split("\n").filter((line) => /^\| `/.test(line));
  const wanted = Object.entries(errorCodes).map(
    ([code, { status, about }]) => `| \`${code}\` | ${status} | ${about} |`,
  );
  expect(rows).toEqual(wanted);
});
