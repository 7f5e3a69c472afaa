import type { Accounts } from "./accounts.ts";

/**
 * Applies a `sysusers.d` file as systemd-sysusers(8) does: groups first, then users, then memberships; ids that
 * are not given are looked for from 999 down.
 */
export function applySysusers(text: string, accounts: Accounts): void {
  const lines = text
    .split("\n")
    .filter((line) => /^[a-z]/.test(line))
    .map(fieldsOf);
  for (const [type, name = "", id = "-"] of lines) {
    if (type === "g") accounts.addGroup(name, isId(id) ? { gid: Number(id) } : { search: "sysusers" });
  }
  for (const [type = "", name = "", id = "-", gecos = "-", home = "-", shell = "-"] of lines) {
    if (!/^u[!]?$/.test(type)) continue;
    const [uid = "-", group] = id.split(":", 2);
    const gid = group === undefined ? undefined : isId(group) ? Number(group) : accounts.group(group)?.gid;
    const own = gid ?? accounts.group(name)?.gid;
    accounts.addUser(
      {
        name,
        ...(isId(uid) ? { uid: Number(uid) } : {}),
        ...(own === undefined ? {} : { gid: own }),
        gecos: gecos === "-" ? "" : gecos,
        home: home === "-" ? "/" : home,
        shell: shell === "-" ? (uid === "0" ? "/bin/sh" : "/usr/sbin/nologin") : shell,
      },
      { search: "sysusers" },
    );
  }
  for (const [type, user = "", group = ""] of lines) {
    if (type === "m") accounts.addMember(user, group);
  }
}

/** Fields are separated by blanks; quotes keep blanks together. */
function fieldsOf(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? "",
  );
}

function isId(text: string): boolean {
  return /^\d{1,10}$/.test(text);
}
