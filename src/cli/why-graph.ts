import type { Reason, Reasons } from "../carve/index.ts";
import type { TreePath } from "../tree/index.ts";

/**
 * The reasons that lead to a path, directly or through others, as a graph in Graphviz's language: an arrow goes
 * from what needs to what is needed.
 */
export function whyGraph(reasons: Reasons, path: TreePath, describe: (reason: Reason) => string): string {
  const seen = new Set<TreePath>([path]);
  const edges: string[] = [];
  // Grows while it is walked.
  for (const at of seen) {
    for (const reason of reasons.direct(at)) {
      // That a directory holds something says nothing of what leads to the path.
      if (reason.how.kind === "parent" && at !== path) continue;
      if (reason.from !== undefined) seen.add(reason.from);
      const from = reason.from ?? (reason.how.kind === "named" ? `by ${reason.how.by}` : "?");
      const label = reason.from === undefined ? describe(reason) : reason.how.kind;
      edges.push(`  ${quoted(from)} -> ${quoted(at)} [label=${quoted(label)}];`);
    }
  }
  const nodes = [...seen].sort().map((node) => `  ${quoted(node)};`);
  return `digraph why {\n  rankdir=LR;\n  node [shape=box];\n${[...nodes, ...edges].join("\n")}\n}\n`;
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&").replace(/\n/g, "\\n")}"`;
}
