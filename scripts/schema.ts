import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { projectSchema } from "../src/recipe/schema.ts";

// Writes schema/whittle.json, which editors read. With --check it only says whether the committed one is current.
const path = join(import.meta.dirname, "../schema/whittle.json");
const schema = z.toJSONSchema(projectSchema, { io: "input", target: "draft-2020-12" });
const text = `${JSON.stringify({ title: "whittle.yaml", ...schema }, undefined, 2)}\n`;

if (process.argv.includes("--check")) {
  const committed = await readFile(path, "utf8").catch(() => "");
  if (committed !== text) {
    process.stderr.write("schema/whittle.json is not what src/recipe/schema.ts makes: run npm run schema\n");
    process.exitCode = 1;
  }
} else {
  await writeFile(path, text);
}
