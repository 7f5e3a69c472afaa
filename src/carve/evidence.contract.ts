import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesContent } from "../io/index.ts";
import { attributes, type Entry, Tree, type TreePath, treeOf } from "../tree/index.ts";
import { describeReason } from "./describe.ts";
import type { Evidence, EvidenceContext, Need } from "./need.ts";

/** A path of a tree and what a collector has to say of it. */
export interface EvidenceExample {
  readonly title: string;
  readonly tree: Tree;
  readonly path: TreePath;
  readonly environment?: Readonly<Record<string, string>>;
  /** The needs in their order, as `PATH KIND` or `PATH KIND!` where a missing one is reported. */
  readonly needs: readonly string[];
}

/** A file for examples. */
export function fileOf(content: string | Uint8Array, mode = 0o644, more: Partial<Entry> = {}): Entry {
  const base = { type: "file", ...attributes(mode), content: bytesContent(content) } as const;
  return { ...base, ...more } as Entry;
}

/** A link for examples. */
export function linkTo(target: string): Entry {
  return { type: "symlink", ...attributes(0o777), target };
}

/** What a collector says of a path. */
export async function needsOf(
  evidence: Evidence,
  tree: Tree,
  path: TreePath,
  environment: Readonly<Record<string, string>> = {},
): Promise<Need[]> {
  const context: EvidenceContext = { tree, environment, signal: new AbortController().signal };
  const needs: Need[] = [];
  for await (const need of evidence.needs(path, context)) needs.push(need);
  return needs;
}

/**
 * What holds of every collector, whatever it looks for: it says the same each time, names only paths of a tree,
 * is silent where nothing is, and never fails on what it does not understand.
 *
 * @param paths - places at which the collector takes a closer look
 */
export function evidenceContract(
  make: () => Evidence,
  paths: readonly TreePath[],
  examples: readonly EvidenceExample[],
  // Bytes that make the collector believe a file to be its own kind.
  openings: readonly string[] = [],
): void {
  describe(`${make().name} evidence`, () => {
    for (const { title, tree, path, environment, needs } of examples) {
      it(title, async () => {
        const found = await needsOf(make(), tree, path, environment);
        expect(
          found.map(({ path: to, how, missing }) => `${to} ${how.kind}${missing === "report" ? "!" : ""}`),
        ).toEqual(needs);
        for (const { path: to, how } of found) {
          expect(to).toMatch(/^\/(?:[^/]+(?:\/[^/]+)*)?$/);
          expect(describeReason({ from: path, to, how })).not.toBe("");
        }
      });
    }

    it("says the same when asked again, whoever was asked before", async () => {
      for (const { tree, path, environment } of examples) {
        const first = make();
        for (const [other] of tree.entries()) await needsOf(first, tree, other, environment);
        const expected = await needsOf(make(), tree, path, environment);
        expect(await needsOf(first, tree, path, environment)).toEqual(expected);
      }
    });

    it("is silent about what is not there, and about what has no bytes", async () => {
      for (const path of paths) {
        expect(await needsOf(make(), Tree.empty, path)).toEqual([]);
        const entries: Entry[] = [
          { type: "directory", ...attributes(0o755) },
          { type: "fifo", ...attributes(0o644) },
          linkTo("nowhere"),
        ];
        for (const entry of entries) expect(await needsOf(make(), treeOf([[path, entry]]), path)).toEqual([]);
      }
    });

    it("never fails on bytes that make no sense", () =>
      fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...paths),
          fc.constantFrom("", ...openings),
          fc.uint8Array({ maxLength: 200 }),
          async (path, opening, bytes) => {
            const content = Buffer.concat([Buffer.from(opening, "latin1"), bytes]);
            for (const need of await needsOf(make(), treeOf([[path, fileOf(content, 0o755)]]), path)) {
              expect(need.path).toMatch(/^\//);
            }
          },
        ),
        { numRuns: 200 },
      ));
  });
}
