import { isUtf8Name, nameBytes, sortedNames, type TreeNode } from "../../tree/index.ts";

/** The names in a directory in the order of their bytes, those that are no text among the others. */
export function namesOf(children: ReadonlyMap<string, TreeNode>): readonly string[] {
  const names = sortedNames(children);
  if (names.every(isUtf8Name)) return names;
  return names.toSorted((a, b) => Buffer.compare(nameBytes(a), nameBytes(b)));
}
