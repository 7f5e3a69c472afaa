import { WhittleError } from "../io/index.ts";

/** Who a process in a container runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

interface PasswdLine {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupLine {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** The largest uid and gid; 4294967295 means "leave as it is" to the kernel. */
const largestId = 4294967294;

/**
 * Finds the account that an image's `User` names: `user`, `uid`, `user:group`, `uid:gid` and mixtures, looked up
 * in the image's own files as Docker does. A number need not be in them; a name must. Without a group it is the
 * user's own one, and the groups that list the user as a member are additional ones, as is the group itself.
 *
 * @param passwd - the image's /etc/passwd, empty when it has none
 * @param group - the image's /etc/group, empty when it has none
 * @throws WhittleError `NOT_FOUND` for a name that the image does not know, `USAGE` for a number out of range
 */
export function findAccount(user: string, passwd: string, group: string): Account {
  const colon = user.indexOf(":");
  const wantedUser = colon < 0 ? user : user.slice(0, colon);
  const wantedGroup = colon < 0 ? "" : user.slice(colon + 1);
  const users = passwdLines(passwd);
  const groups = groupLines(group);

  const number = numericId(wantedUser === "" ? "0" : wantedUser);
  const found = users.find(
    (line) => line.name === wantedUser || (number !== undefined && line.uid === number),
  );
  const uid = found?.uid ?? number;
  if (uid === undefined)
    throw unknown(
      "user",
      wantedUser,
      "/etc/passwd",
      users.map((line) => line.name),
    );

  const additionalGids =
    found === undefined || wantedGroup !== ""
      ? []
      : groups.filter((line) => line.members.includes(found.name)).map((line) => line.gid);
  const gid = wantedGroup === "" ? (found?.gid ?? 0) : findGroup(wantedGroup, groups);
  return {
    uid,
    gid,
    additionalGids: [...new Set([gid, ...additionalGids])].sort((a, b) => a - b),
    home: found?.home || "/",
  };
}

function findGroup(wanted: string, groups: readonly GroupLine[]): number {
  const number = numericId(wanted);
  const gid = groups.find((line) => line.name === wanted)?.gid ?? number;
  if (gid === undefined)
    throw unknown(
      "group",
      wanted,
      "/etc/group",
      groups.map((line) => line.name),
    );
  return gid;
}

function numericId(text: string): number | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  const number = Number(text);
  if (number <= largestId) return number;
  throw new WhittleError("USAGE", `Cannot run as ${text}: ids go from 0 to ${largestId}`);
}

function unknown(kind: string, name: string, file: string, names: readonly string[]): WhittleError {
  const known = names.length === 0 ? "the image has no such file or it is empty" : `it names ${some(names)}`;
  return new WhittleError(
    "NOT_FOUND",
    `Cannot run as the ${kind} "${name}": ${file} of the image does not name it`,
    { hint: `${known}; a number is always accepted` },
  );
}

function some(names: readonly string[]): string {
  const first = names.slice(0, 8).join(", ");
  return names.length > 8 ? `${first}…` : first;
}

function passwdLines(text: string): PasswdLine[] {
  return text.split("\n").flatMap((line) => {
    const [name = "", , uid = "", gid = "", , home = ""] = line.split(":");
    return /^\d+$/.test(uid) && /^\d+$/.test(gid) ? [{ name, uid: Number(uid), gid: Number(gid), home }] : [];
  });
}

function groupLines(text: string): GroupLine[] {
  return text.split("\n").flatMap((line) => {
    const [name = "", , gid = "", members = ""] = line.split(":");
    return /^\d+$/.test(gid) ? [{ name, gid: Number(gid), members: members.trim().split(",") }] : [];
  });
}
