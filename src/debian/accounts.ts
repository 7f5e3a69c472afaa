import { compareNames } from "../tree/index.ts";

/** A line of `/etc/passwd` (passwd(5)). */
export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** The comment field. */
  readonly gecos: string;
  readonly home: string;
  readonly shell: string;
}

/** A line of `/etc/group` (group(5)). */
export interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/**
 * Whose way of looking for a free id: adduser goes up from 100, for users and groups apart; useradd down from 999,
 * and its group takes the same id where that is free; systemd-sysusers too, but only where both are free.
 */
export type IdSearch = "adduser" | "useradd" | "sysusers";

// Debian Policy 9.2.2: 100 to 999 are for users that packages make.
const [firstSystemId, lastSystemId] = [100, 999];

/**
 * The users and groups of a root, in the order of their files. Adding is idempotent: who is there stays as they
 * are, as with the programs that maintainer scripts run.
 */
export class Accounts {
  readonly #users = new Map<string, User>();
  readonly #groups = new Map<string, Group>();

  /** Reads `/etc/passwd` and `/etc/group`; malformed lines are passed over, as libc does. */
  static parse(passwd: string, group: string): Accounts {
    const accounts = new Accounts();
    for (const line of passwd.split("\n")) {
      const [name = "", , uid, gid, gecos = "", home = "", shell = ""] = line.split(":");
      if (name === "" || !isId(uid) || !isId(gid)) continue;
      accounts.#users.set(name, { name, uid: Number(uid), gid: Number(gid), gecos, home, shell });
    }
    for (const line of group.split("\n")) {
      const [name = "", , gid, members = ""] = line.split(":");
      if (name === "" || !isId(gid)) continue;
      accounts.#groups.set(name, { name, gid: Number(gid), members: members.split(",").filter(Boolean) });
    }
    return accounts;
  }

  user(name: string): User | undefined {
    return this.#users.get(name);
  }

  group(name: string): Group | undefined {
    return this.#groups.get(name);
  }

  get users(): readonly User[] {
    return [...this.#users.values()];
  }

  get groups(): readonly Group[] {
    return [...this.#groups.values()];
  }

  /** Adds a group, under the given id or the next free one. */
  addGroup(name: string, options: { readonly gid?: number; readonly search?: IdSearch } = {}): Group {
    const there = this.#groups.get(name);
    if (there !== undefined) return there;
    const gid = options.gid ?? this.#freeId(options.search ?? "adduser", (id) => this.#hasGid(id));
    const group: Group = { name, gid, members: [] };
    this.#groups.set(name, group);
    return group;
  }

  /** Adds a user; without `gid` it gets a group of its own name. */
  addUser(
    user: Partial<User> & { readonly name: string },
    options: { readonly search?: IdSearch } = {},
  ): User {
    const there = this.#users.get(user.name);
    if (there !== undefined) return there;
    const search = options.search ?? "adduser";
    const uid =
      user.uid ??
      this.#freeId(search, (id) => this.#hasUid(id) || (search === "sysusers" && this.#hasGid(id)));
    const likeUser = search !== "adduser" && !this.#hasGid(uid);
    const gid = user.gid ?? this.addGroup(user.name, likeUser ? { gid: uid } : { search }).gid;
    const added: User = {
      name: user.name,
      uid,
      gid,
      gecos: user.gecos ?? "",
      home: user.home ?? "/nonexistent",
      shell: user.shell ?? "/usr/sbin/nologin",
    };
    this.#users.set(user.name, added);
    return added;
  }

  /** Makes a user a further member of a group; nothing happens when either is unknown. */
  addMember(user: string, group: string): void {
    const there = this.#groups.get(group);
    if (there === undefined || !this.#users.has(user) || there.members.includes(user)) return;
    this.#groups.set(group, { ...there, members: [...there.members, user].sort(compareNames) });
  }

  /** @param password - what stands for the password: `*` for none, `x` for "see shadow" */
  passwdText(password: "*" | "x" = "*"): string {
    return this.users
      .map(({ name, uid, gid, gecos, home, shell }) =>
        [name, password, uid, gid, gecos, home, shell].join(":"),
      )
      .map((line) => `${line}\n`)
      .join("");
  }

  groupText(password: "*" | "x" = "*"): string {
    return this.groups.map(({ name, gid, members }) => `${name}:${password}:${gid}:${members}\n`).join("");
  }

  /** No password works for anybody; when it was set is left open, so that the text depends on nothing else. */
  shadowText(): string {
    return this.users.map(({ name }) => `${name}:*::0:99999:7:::\n`).join("");
  }

  gshadowText(): string {
    return this.groups.map(({ name, members }) => `${name}:*::${members}\n`).join("");
  }

  #hasUid(id: number): boolean {
    return this.users.some(({ uid }) => uid === id);
  }

  #hasGid(id: number): boolean {
    return this.groups.some(({ gid }) => gid === id);
  }

  #freeId(search: IdSearch, isTaken: (id: number) => boolean): number {
    const count = lastSystemId - firstSystemId + 1;
    const ids = Array.from({ length: count }, (_, at) =>
      search === "adduser" ? firstSystemId + at : lastSystemId - at,
    );
    return ids.find((id) => !isTaken(id)) ?? lastSystemId + 1;
  }
}

function isId(text: string | undefined): boolean {
  return text !== undefined && /^\d{1,10}$/.test(text);
}
