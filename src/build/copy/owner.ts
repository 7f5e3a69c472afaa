import { readText } from "../../io/index.ts";
import type { Tree } from "../../tree/index.ts";
import type { Owner } from "./target.ts";

/**
 * Who `--chown=USER[:GROUP]` names: numbers as they are, names by the tree's own /etc/passwd and /etc/group. A
 * number without a group is the group's number too; a name without a group has its own one; nothing behind the colon
 * is 0. `root` is 0 whatever the tree says. A user that the tree does not know stands for root, and a group that it does
 * not know for the user's own. A number that a signed 32 bit integer does not hold is a name. All of it as in BuildKit.
 */
export async function findOwner(text: string, tree: Tree): Promise<Owner> {
  const colon = text.indexOf(":");
  const user = colon < 0 ? text : text.slice(0, colon);
  const group = colon < 0 ? "" : text.slice(colon + 1);
  const found = await findUser(user, tree);
  return colon < 0 ? found : { uid: found.uid, gid: (await findGroup(group, tree)) ?? found.gid };
}

/** Whether a part of an owner, in the form of `--chown`, is a name that has to be looked up. */
export function namesAccount(text: string): boolean {
  const colon = text.indexOf(":");
  const parts = colon < 0 ? [text] : [text.slice(0, colon), text.slice(colon + 1)];
  return parts.some((part) => !isRoot(part) && !isNumber(part));
}

async function findUser(user: string, tree: Tree): Promise<Owner> {
  if (isRoot(user)) return { uid: 0, gid: 0 };
  if (isNumber(user)) return { uid: Number(user), gid: Number(user) };
  for (const [name, , uid, gid] of await fields(tree, "/etc/passwd")) {
    if (name === user) return { uid: Number(uid), gid: Number(gid) };
  }
  return { uid: 0, gid: 0 };
}

async function findGroup(group: string, tree: Tree): Promise<number | undefined> {
  if (isRoot(group)) return 0;
  if (isNumber(group)) return Number(group);
  for (const [name, , gid] of await fields(tree, "/etc/group")) if (name === group) return Number(gid);
  return undefined;
}

function isRoot(text: string): boolean {
  return text === "" || text === "root";
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text) && Number(text) <= 0x7fffffff;
}

async function fields(tree: Tree, path: string): Promise<string[][]> {
  const { entry } = tree.resolve(path);
  if (entry?.type !== "file") return [];
  return (await readText(entry.content, 4 * 1024 * 1024)).split("\n").map((line) => line.split(":"));
}
