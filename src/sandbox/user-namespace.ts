import { WhittleError } from "../io/index.ts";
import { userName } from "./machine.ts";
import { asNamespaceRoot, type Privilege } from "./privilege.ts";
import { runQuietly } from "./signal.ts";

/** The line that lets ordinary users make user namespaces. */
export const allowHint =
  "sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0";

/** The line that gives this user further ids. */
export function subordinateHint(): string {
  const user = userName() ?? "USER";
  return `apt-get install uidmap && usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user}`;
}

const answers = new Map<Privilege, Promise<boolean>>();

/** Whether the user namespace of a privilege can be made; tried once. */
export function canMakeNamespace(privilege: Privilege): Promise<boolean> {
  let answer = answers.get(privilege);
  if (answer === undefined) {
    answer =
      privilege === "root"
        ? Promise.resolve(true)
        : runQuietly([...asNamespaceRoot(privilege), "true"]).then((status) => status === 0);
    answers.set(privilege, answer);
  }
  return answer;
}

/**
 * Makes sure that commands can be run at all.
 *
 * @throws WhittleError `ENVIRONMENT` when an ordinary user may not make user namespaces here
 */
export async function requireNamespace(privilege: Privilege): Promise<void> {
  if (await canMakeNamespace(privilege)) return;
  throw new WhittleError(
    "ENVIRONMENT",
    "Cannot run commands as an ordinary user: user namespaces are not allowed on this machine",
    { hint: `as root: ${allowHint}` },
  );
}
