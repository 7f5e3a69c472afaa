import { existsSync, readFileSync, statSync } from "node:fs";
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesContent, fileContent, readText, WhittleError } from "../io/index.ts";
import { attributes, type Entry, type Tree, treeOf, writeTree } from "../tree/index.ts";
import { applyLayer } from "./index.ts";

/** A case: a layer, what is there before it, and what the suite it comes from checks afterwards. */
interface Case {
  readonly file: string;
  readonly preexisting?: readonly [string, ...(readonly [string, string, string | number, number?])[]] | null;
  readonly validator?: unknown;
  readonly expectError?: string | null;
}

const corpus = fileURLToPath(new URL("../../../shared/corpora/hostile-layers/", import.meta.url));
const present = existsSync(corpus);
if (!present) console.warn(`notice: ${corpus} is not here; hostile layers of other suites are not tried`);
const cases = present ? (JSON.parse(readFileSync(join(corpus, "MANIFEST.json"), "utf8")) as Case[]) : [];

let box: string;
beforeEach(async () => {
  box = await mkdtemp(join(tmpdir(), "whittle-hostile-"));
  await mkdir(join(box, "victim"));
  await writeFile(join(box, "victim", "hello"), "outside");
  await writeFile(join(box, "passwd"), "outside");
});
afterEach(() => rm(box, { recursive: true, force: true }));

function before(found: Case): Tree {
  const [, ...steps] = found.preexisting ?? [""];
  return treeOf(
    steps.map(([step, first, second, mode]): [string, Entry] => {
      if (step === "fstest.CreateDir")
        return [clean(first), { ...attributes(Number(second)), type: "directory" }];
      if (step === "fstest.Symlink")
        return [clean(String(second)), { ...attributes(0o777), type: "symlink", target: first }];
      return [
        clean(first),
        { ...attributes(mode ?? 0), type: "file", content: bytesContent(String(second)) },
      ];
    }),
  );
}

function clean(path: string): string {
  return `/${path.replace(/^\/+|\/+$/g, "")}`;
}

/** Everything outside the root, with what must not change: contents, link counts, modes, owners. */
async function outside(): Promise<unknown> {
  const found: unknown[] = [];
  for (const name of (await readdir(box, { recursive: true })).sort()) {
    if (name === "root" || name.startsWith("root/")) continue;
    const stat = await lstat(join(box, name));
    const text = stat.isFile() ? await readFile(join(box, name), "utf8") : "";
    found.push([name, stat.mode, stat.uid, stat.gid, stat.isFile() ? stat.nlink : 0, text]);
  }
  return found;
}

async function validate(tree: Tree, validator: unknown): Promise<void> {
  if (!Array.isArray(validator)) return;
  const [kind, ...rest] = validator as [string, ...unknown[]];
  const at = (path: unknown) => tree.resolve(clean(String(path)));
  switch (kind) {
    case "all":
      for (const each of rest) await validate(tree, each);
      return;
    case "sameFile": {
      const [a, b] = rest.map((path) => at(path).entry);
      expect(
        a?.type === "file" &&
          b?.type === "file" &&
          (a === b || (a.inode !== undefined && a.inode === b.inode)),
      ).toBe(true);
      return;
    }
    case "fileValue": {
      const entry = at(rest[0]).entry;
      expect(entry?.type === "file" ? await readText(entry.content) : "").toBe(rest[1]);
      return;
    }
    case "fileNotExists":
      expect(at(rest[0]).entry).toBeUndefined();
      return;
    case "directoriesExist":
      for (const path of rest) expect(at(path).entry?.type).toBe("directory");
      return;
    default:
      throw new Error(`unknown check ${kind}`);
  }
}

describe.skipIf(!present)("layers made to break out", () => {
  it("has all the cases", () => {
    expect(cases.length).toBeGreaterThanOrEqual(36);
  });

  it.each(cases.map((found) => [found.file, found] as const))(
    "%s changes nothing outside",
    async (name, found) => {
      const earlier = await outside();
      const path = join(corpus, name);
      const root = join(box, "root");
      const lower = before(found);
      await writeTree(lower, root, { owner: "self" });
      const applied = await applyLayer(lower, fileContent(path, statSync(path).size)).catch(
        (error: unknown) => {
          expect(error).toBeInstanceOf(WhittleError);
          expect(["ARCHIVE_HOSTILE", "ARCHIVE_CORRUPT"]).toContain((error as WhittleError).code);
          return undefined;
        },
      );
      if (typeof found.expectError === "string") expect(applied).toBeUndefined();
      if (found.validator !== null && found.validator !== undefined) expect(applied).toBeDefined();
      if (applied !== undefined) {
        await validate(applied, found.validator);
        for (const [, entry] of applied.entries()) {
          if (entry.type === "file") expect(await readText(entry.content)).not.toBe("outside");
        }
        // Over what was there before, and into an empty directory.
        await writeTree(applied, root, { owner: "self" });
        await writeTree(applied, join(box, "root", "again"), { owner: "self" });
        await chmod(root, 0o755);
      }
      expect(await outside()).toEqual(earlier);
    },
  );
});
