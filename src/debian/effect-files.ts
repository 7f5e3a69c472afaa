import type { Effect } from "./effect.ts";

/** What `base-files` makes of its masters in an empty root. */
export const baseFiles: Effect = {
  name: "base-files",
  apply(root) {
    const owner = root.package("base-files");
    if (owner === undefined) return;
    const { origin } = owner;
    root.copy("/usr/share/base-files/dot.profile", "/root/.profile", origin);
    root.copy("/usr/share/base-files/dot.bashrc", "/root/.bashrc", origin);
    root.copy("/usr/share/base-files/profile", "/etc/profile", origin);
    root.copy("/usr/share/base-files/motd", "/etc/motd", origin);
    for (const path of ["/mnt", "/srv", "/opt", "/etc/opt", "/var/opt", "/media"])
      root.directory(path, origin);
    const mail = root.accounts.group("mail")?.gid ?? 8;
    root.directory("/var/mail", origin, 0o2775, [0, mail]);
    root.directory("/run/lock", origin, 0o1777);
    root.link("/var/spool/mail", "../mail", origin);
    root.link("/etc/dpkg/origins/default", "debian", origin);
    for (const name of [
      "bin",
      "etc",
      "games",
      "include",
      "lib",
      "libexec",
      "sbin",
      "share",
      "share/man",
      "src",
    ]) {
      root.directory(`/usr/local/${name}`, origin);
    }
    root.link("/usr/local/man", "share/man", origin);
    if (root.get("/usr/share/info") !== undefined) {
      root.copy("/usr/share/base-files/info.dir", "/usr/share/info/dir", origin);
    }
    const utmp = root.accounts.group("utmp")?.gid ?? 43;
    root.text("/var/log/wtmp", "", origin, 0o664, [0, utmp]);
    root.text("/var/log/btmp", "", origin, 0o660, [0, utmp]);
    root.text("/var/log/lastlog", "", origin, 0o664, [0, utmp]);
  },
};

/** The default configuration of the name service switch, from `libc-bin` (or `base-files`, where it was before). */
export const nameServiceSwitch: Effect = {
  name: "nsswitch.conf",
  apply(root) {
    for (const name of ["libc-bin", "base-files"]) {
      const owner = root.package(name);
      if (owner !== undefined)
        root.copy(`/usr/share/${name}/nsswitch.conf`, "/etc/nsswitch.conf", owner.origin);
    }
  },
};

/** The time zone of a system that nobody asked for one. */
export const timeZone: Effect = {
  name: "localtime",
  apply(root) {
    const owner = root.package("tzdata");
    if (owner !== undefined) root.link("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC", owner.origin);
  },
};

/** nginx: its logs with their owners, and the default site. */
export const nginx: Effect = {
  name: "nginx",
  apply(root) {
    const owner = root.package("nginx-common");
    if (owner === undefined) return;
    const { origin } = owner;
    const user = root.accounts.user("www-data")?.uid ?? 33;
    const logs = root.accounts.group("adm")?.gid ?? 4;
    root.put("/var/log/nginx", { type: "directory", mode: 0o755, uid: 0, gid: logs, mtime: 0, origin });
    root.text("/var/log/nginx/access.log", "", origin, 0o640, [user, logs]);
    root.text("/var/log/nginx/error.log", "", origin, 0o640, [user, logs]);
    root.link("/etc/nginx/sites-enabled/default", "/etc/nginx/sites-available/default", origin);
    root.copy("/usr/share/nginx/html/index.html", "/var/www/html/index.nginx-debian.html", origin);
  },
};

/** The modules that nginx packages enable, each by a link (dh_nginx(1)). */
export const nginxModules: Effect = {
  name: "nginx modules",
  apply(root) {
    for (const owner of root.packages) {
      const script = owner.scripts.get("postinst") ?? "";
      const pairs = /^for confpair in ([^;\n]*);/m.exec(script)?.[1] ?? "";
      for (const [, from, to] of pairs.matchAll(/([\w.+-]+):([\w.+-]+)/g)) {
        root.link(
          `/etc/nginx/modules-enabled/${to}`,
          `/usr/share/nginx/modules-available/${from}`,
          owner.origin,
        );
      }
    }
  },
};
