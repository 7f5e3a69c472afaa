import { readText } from "../io/index.ts";
import { childOf, type Origin } from "../tree/index.ts";
import { Accounts } from "./accounts.ts";
import { baseGroup, basePasswd } from "./base-accounts.ts";
import type { Effect, EffectRoot } from "./effect.ts";
import type { DebianPackage } from "./open-package.ts";
import { commandsNamed } from "./shell-words.ts";
import { applySysusers } from "./sysusers.ts";

/**
 * `/etc/passwd` and `/etc/group` from the masters of `base-passwd`, else as every Debian system has them, with the
 * users and groups that packages make: by `sysusers.d`, adduser, useradd and their like. With the package
 * `passwd` there are shadow files too. The ids of users made by packages depend on the set and its order only.
 */
export const accounts: Effect = {
  name: "accounts",
  async apply(root) {
    const passwd =
      (await root.read("/etc/passwd")) || (await root.read("/usr/share/base-passwd/passwd.master"));
    const group = (await root.read("/etc/group")) || (await root.read("/usr/share/base-passwd/group.master"));
    root.accounts = Accounts.parse(passwd || basePasswd, group || baseGroup);
    for (const owner of root.packages) await packageAccounts(root, owner);
    const base = root.package("base-passwd");
    write(root, base?.origin ?? { kind: "generated", what: "users and groups of every Debian system" });
  },
};

function write(root: EffectRoot, origin: Origin): void {
  const passwd = root.package("passwd");
  const password = passwd === undefined ? "*" : "x";
  root.text("/etc/passwd", root.accounts.passwdText(password), origin);
  root.text("/etc/group", root.accounts.groupText(password), origin);
  if (root.package("base-passwd") !== undefined) {
    root.text("/etc/subuid", "", origin);
    root.text("/etc/subgid", "", origin);
  }
  if (passwd === undefined) return;
  const shadow = root.accounts.group("shadow")?.gid ?? 42;
  root.text("/etc/shadow", root.accounts.shadowText(), passwd.origin, 0o640, [0, shadow]);
  root.text("/etc/gshadow", root.accounts.gshadowText(), passwd.origin, 0o640, [0, shadow]);
}

async function packageAccounts(root: EffectRoot, owner: DebianPackage): Promise<void> {
  const script = `${owner.scripts.get("preinst") ?? ""}\n${owner.scripts.get("postinst") ?? ""}`;
  const commands = programs.flatMap(([program, run]) =>
    commandsNamed(script, program).map((words) => ({ words, run })),
  );
  // Scripts that know both take adduser where systemd-sysusers is not installed.
  const hasSysusers = root.get("/usr/bin/systemd-sysusers") !== undefined;
  if (script.includes("systemd-sysusers") && (hasSysusers || commands.length === 0)) {
    const directory = "/usr/lib/sysusers.d";
    for (const name of owner.tree.children(directory)) {
      const entry = owner.tree.get(childOf(directory, name));
      if (entry?.type === "file") applySysusers(await readText(entry.content), root.accounts);
    }
  }
  for (const { words, run } of commands) run(words, root, owner);
}

type Program = (words: readonly string[], root: EffectRoot, owner: DebianPackage) => void;

const programs: readonly (readonly [string, Program])[] = [
  ["groupadd", groupadd],
  ["addgroup", addgroup],
  ["useradd", useradd],
  ["adduser", adduser],
  ["usermod", usermod],
];

/** Options with their values, and the other words. */
function parse(
  words: readonly string[],
  withValue: readonly string[],
): { options: Map<string, string>; rest: string[] } {
  const options = new Map<string, string>();
  const rest: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    // What follows is about where the output goes.
    if (/^\d*[<>]/.test(word)) break;
    if (!word.startsWith("-")) {
      rest.push(word);
      continue;
    }
    const [name = "", inline] = word.split("=", 2);
    options.set(name, inline ?? (withValue.includes(name) ? (words[++at] ?? "") : ""));
  }
  return { options, rest };
}

const adduserValues = [
  "--home",
  "--shell",
  "--uid",
  "--gid",
  "--ingroup",
  "--gecos",
  "--comment",
  "--firstuid",
  "--lastuid",
  "--firstgid",
  "--lastgid",
  "--conf",
];

/** adduser(8): `--system` makes a user, two names make the one a member of the other. */
function adduser(words: readonly string[], root: EffectRoot, owner: DebianPackage): void {
  const { options, rest } = parse(words, adduserValues);
  const [name, group] = rest;
  if (name !== undefined && group !== undefined) root.accounts.addMember(name, group);
  if (name === undefined || group !== undefined || !options.has("--system")) return;
  const uid = options.get("--uid");
  const inGroup = options.get("--ingroup");
  const gid = options.has("--group")
    ? undefined
    : (idOf(options.get("--gid")) ?? root.accounts.group(inGroup ?? "nogroup")?.gid);
  const home = options.get("--home") ?? "/nonexistent";
  const user = root.accounts.addUser({
    name,
    ...(uid === undefined ? {} : { uid: Number(uid) }),
    ...(gid === undefined ? {} : { gid }),
    gecos: (options.get("--gecos") ?? options.get("--comment") ?? "").replace(/,+$/, ""),
    home,
    shell: options.get("--shell") ?? "/usr/sbin/nologin",
  });
  if (options.has("--no-create-home") || home === "/nonexistent" || !home.startsWith("/")) return;
  root.directory(home, owner.origin, 0o755, [user.uid, user.gid]);
}

/** addgroup(8) is adduser(8) under another name. */
function addgroup(words: readonly string[], root: EffectRoot): void {
  const { options, rest } = parse(words, adduserValues);
  const [name, group] = rest;
  const gid = idOf(options.get("--gid"));
  if (name !== undefined && group !== undefined) root.accounts.addMember(name, group);
  else if (name !== undefined) root.accounts.addGroup(name, gid === undefined ? {} : { gid });
}

/** groupadd(8). */
function groupadd(words: readonly string[], root: EffectRoot): void {
  const { options, rest } = parse(words, ["-g", "--gid", "-K"]);
  const gid = idOf(options.get("-g") ?? options.get("--gid"));
  const [name] = rest;
  if (name !== undefined) root.accounts.addGroup(name, gid === undefined ? { search: "useradd" } : { gid });
}

const useraddValues = [
  "-c",
  "--comment",
  "-d",
  "--home-dir",
  "--home",
  "-g",
  "--gid",
  "-G",
  "--groups",
  "-s",
  "--shell",
  "-u",
  "--uid",
  "-K",
  "-b",
];

/** useradd(8). */
function useradd(words: readonly string[], root: EffectRoot): void {
  const { options, rest } = parse(words, useraddValues);
  const [name] = rest;
  if (name === undefined) return;
  const option = (...names: string[]): string | undefined =>
    names.map((one) => options.get(one)).find((value) => value !== undefined);
  const group = option("-g", "--gid");
  const gid = idOf(group) ?? root.accounts.group(group ?? (options.has("-N") ? "users" : ""))?.gid;
  const uid = idOf(option("-u", "--uid"));
  root.accounts.addUser(
    {
      name,
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      gecos: option("-c", "--comment") ?? "",
      home: option("-d", "--home-dir", "--home") ?? `/home/${name}`,
      shell: option("-s", "--shell") ?? "/bin/sh",
    },
    { search: "useradd" },
  );
  for (const further of (option("-G", "--groups") ?? "").split(",")) root.accounts.addMember(name, further);
}

/** usermod(8), as far as it adds members to groups. */
function usermod(words: readonly string[], root: EffectRoot): void {
  const { options, rest } = parse(words, ["-G", "--groups", "-aG"]);
  const groups = options.get("-aG") ?? options.get("-G") ?? options.get("--groups") ?? "";
  for (const group of groups.split(",")) root.accounts.addMember(rest[0] ?? "", group);
}

function idOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
