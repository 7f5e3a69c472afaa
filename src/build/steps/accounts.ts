import { bytesContent, readText, WhittleError } from "../../io/index.ts";
import { attributes, type Tree, TreeBuilder, type TreePath } from "../../tree/index.ts";

/** A user that a recipe adds, with a group of its own. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly group: string;
  readonly home: string;
  readonly shell: string;
}

/**
 * The tree with accounts added to `/etc/passwd` and `/etc/group` (passwd(5), group(5)). An account that is there
 * already with the same numbers is left as it is.
 *
 * @throws WhittleError `RECIPE_INVALID` when a name or number is taken by another account
 */
export async function addAccounts(tree: Tree, accounts: readonly Account[]): Promise<Tree> {
  if (accounts.length === 0) return tree;
  const passwd = await lines(tree, "/etc/passwd");
  const group = await lines(tree, "/etc/group");
  for (const account of accounts) {
    const { name, uid, gid, home, shell } = account;
    addLine(passwd, name, uid, `${name}:x:${uid}:${gid}::${home}:${shell}`, "user");
    addLine(group, account.group, gid, `${account.group}:x:${gid}:`, "group");
  }
  const origin = { kind: "generated" as const, what: "users and groups of the recipe" };
  const builder = new TreeBuilder();
  for (const [path, text] of [
    ["/etc/passwd", passwd],
    ["/etc/group", group],
  ] as const) {
    const content = bytesContent(text.map((line) => `${line}\n`).join(""));
    builder.set(path, { type: "file", content, ...attributes(0o644, { origin }) });
  }
  return tree.place(builder.tree(), "/");
}

async function lines(tree: Tree, path: TreePath): Promise<string[]> {
  const entry = tree.get(path);
  if (entry?.type !== "file") return [];
  return (await readText(entry.content)).split("\n").filter((line) => line !== "");
}

function addLine(present: string[], name: string, id: number, line: string, what: string): void {
  for (const other of present) {
    const [otherName, , otherId] = other.split(":");
    if (otherName === name && Number(otherId) === id) return;
    if (otherName === name || Number(otherId) === id) {
      throw new WhittleError(
        "RECIPE_INVALID",
        `Cannot add the ${what} ${name} with number ${id}: ${otherName} has the number ${otherId} already`,
        { hint: "choose another name or number under users:" },
      );
    }
  }
  present.push(line);
}
