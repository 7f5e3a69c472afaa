import { readFileSync } from "node:fs";

/** The version of this program, from its own package.json. */
export function programVersion(): string {
  // Two levels up from src/cli; one up from dist.
  for (const candidate of ["../package.json", "../../package.json"]) {
    try {
      const text = readFileSync(new URL(candidate, import.meta.url), "utf8");
      const found = JSON.parse(text) as { name?: string; version?: string };
      if (found.name === "whittle" && found.version !== undefined) return found.version;
    } catch {
      // The other place is tried.
    }
  }
  throw new Error("Internal error: package.json of whittle is not where it should be");
}
