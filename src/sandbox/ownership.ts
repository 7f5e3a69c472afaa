import { chown } from "node:fs/promises";
import type { Environment } from "../io/index.ts";
import { asNamespaceRoot, choosePrivilege } from "./privilege.ts";
import { runQuietly } from "./signal.ts";

/** Gives something on disk to a user of the container; with a single id there is nobody to give it to. */
export async function giveTo(
  path: string,
  { uid, gid }: { readonly uid: number; readonly gid: number },
  environment: Environment,
): Promise<void> {
  if (uid === 0 && gid === 0) return;
  const privilege = await choosePrivilege(environment);
  if (privilege === "root") await chown(path, uid, gid);
  else if (privilege === "subordinate") {
    await runQuietly([...asNamespaceRoot(privilege), "chown", `${uid}:${gid}`, path]);
  }
}
