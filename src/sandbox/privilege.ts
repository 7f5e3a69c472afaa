import type { Environment } from "../io/index.ts";
import { findProgram, heldCapabilities, isRoot, subordinateIds } from "./machine.ts";

/**
 * What a container's namespaces are made with: `root` of the machine; `subordinate`: a user namespace in which
 * the person is root and further ids come from subuid(5); `single`: a user namespace with one id only.
 */
export type Privilege = "root" | "subordinate" | "single";

/** Finds out which kind this process can have. */
export async function choosePrivilege(environment: Environment): Promise<Privilege> {
  if (isRoot() && heldCapabilities().includes("CAP_SYS_ADMIN")) return "root";
  if (subordinateIds() < 65536) return "single";
  const [users, groups] = await Promise.all([
    findProgram("newuidmap", environment),
    findProgram("newgidmap", environment),
  ]);
  return users !== undefined && groups !== undefined ? "subordinate" : "single";
}

/** The options of unshare(1) that make the user namespace of a privilege, with us as its root. */
export function userNamespaceOptions(privilege: Privilege): string[] {
  switch (privilege) {
    case "root":
      return [];
    case "subordinate":
      return ["--user", "--map-root-user", "--map-auto"];
    case "single":
      return ["--user", "--map-root-user"];
  }
}

/** The words before a command that make it run as root of an own user namespace, where that is needed. */
export function asNamespaceRoot(privilege: Privilege): string[] {
  return privilege === "root" ? [] : ["unshare", ...userNamespaceOptions(privilege), "--"];
}

/** The words before a command that make it run in the user namespace of a process, and in its network if asked. */
export function inNamespacesOf(pid: number, privilege: Privilege, network = false): string[] {
  const user = privilege === "root" ? [] : ["--user", "--preserve-credentials"];
  const words = [...user, ...(network ? ["--net"] : [])];
  return words.length === 0 ? [] : ["nsenter", "--target", String(pid), ...words, "--"];
}
