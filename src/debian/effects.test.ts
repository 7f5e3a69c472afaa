import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type PackageParts, packageOf } from "../../test/debian-packages.ts";
import { quietWork, readText } from "../io/index.ts";
import { attributes, type Tree } from "../tree/index.ts";
import { certificateHash } from "./certificate-hash.ts";
import { packageEffects, unpack } from "./index.ts";

async function configure(...parts: PackageParts[]) {
  const packages = parts.map(packageOf);
  return packageEffects(await unpack(packages, quietWork), packages);
}

async function text(tree: Tree, path: string): Promise<string> {
  const { entry } = tree.resolve(path);
  return entry?.type === "file" ? readText(entry.content) : `(${entry?.type ?? "nothing"})`;
}

const link = (tree: Tree, path: string): string | undefined => {
  const entry = tree.get(path);
  return entry?.type === "symlink" ? entry.target : undefined;
};

describe("users and groups", () => {
  const basePasswd = {
    name: "base-passwd",
    files: {
      "/usr/share/base-passwd/passwd.master":
        "root:*:0:0:root:/root:/bin/bash\nwww-data:*:33:33:www-data:/var/www:/usr/sbin/nologin\n",
      "/usr/share/base-passwd/group.master": "root:*:0:\nshadow:*:42:\nwww-data:*:33:\nnogroup:*:65534:\n",
    },
  };

  it("are base-passwd's, with shadow files where passwd is", async () => {
    const { tree } = await configure(basePasswd, { name: "passwd" });
    expect(await text(tree, "/etc/passwd")).toBe(
      "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n",
    );
    expect(await text(tree, "/etc/shadow")).toMatch(/^root:\*::0:99999:7:::$/m);
    expect(tree.get("/etc/shadow")).toMatchObject({ mode: 0o640, gid: 42 });
  });

  it("are those of every Debian system where base-passwd is not asked for", async () => {
    const { tree } = await configure({ name: "nginx", files: { "/usr/sbin/nginx": "" } });
    expect(await text(tree, "/etc/passwd")).toMatch(/^www-data:\*:33:33:/m);
    expect(await text(tree, "/etc/group")).toMatch(/^adm:\*:4:$/m);
    expect(tree.has("/etc/shadow")).toBe(false);
  });

  it.each<[string, string, string, string]>([
    [
      "adduser",
      "adduser --system --group --home /var/lib/d --no-create-home --gecos 'A d,,,' d",
      "d:x:100:101:A d:/var/lib/d:/usr/sbin/nologin",
      "d:x:101:",
    ],
    [
      "adduser in nogroup",
      "adduser --quiet --system --shell /bin/sh d || true",
      "d:x:100:65534::/nonexistent:/bin/sh",
      "",
    ],
    [
      "addgroup and adduser",
      "addgroup --system g\nadduser --system --ingroup g d",
      "d:x:100:101::/nonexistent:/usr/sbin/nologin",
      "g:x:101:",
    ],
    ["useradd", "useradd -r -d /srv -s /bin/false -c 'x y' d", "d:x:999:999:x y:/srv:/bin/false", "d:x:999:"],
    ["groupadd", "groupadd -r -g 77 d", "", "d:x:77:"],
    ["a membership", "adduser www-data shadow", "", "shadow:x:42:www-data"],
    ["usermod", "usermod -a -G shadow www-data", "", "shadow:x:42:www-data"],
  ])("are made by %s", async (_what, command, user, group) => {
    const { tree } = await configure(
      {
        ...basePasswd,
        files: {
          ...basePasswd.files,
          "/usr/share/base-passwd/group.master":
            "root:*:0:\nshadow:*:42:\nwww-data:*:33:\nusers:*:100:\nnogroup:*:65534:\n",
        },
      },
      { name: "passwd" },
      {
        name: "daemon",
        scripts: { postinst: `#!/bin/sh\nset -e\nif [ "$1" = configure ]; then\n  ${command}\nfi\n` },
      },
    );
    const passwd = await text(tree, "/etc/passwd");
    if (user === "") expect(passwd).not.toMatch(/^d:/m);
    else expect(passwd.split("\n")).toContain(user);
    if (group !== "") expect((await text(tree, "/etc/group")).split("\n")).toContain(group);
  });

  it("are made from sysusers.d, and own their homes", async () => {
    const { tree } = await configure(
      basePasswd,
      {
        name: "a",
        files: {
          "/usr/lib/sysusers.d/a.conf":
            '# x\ng journal - -\nu a - "The a" /run/a\nu! b -:nogroup\nm a shadow\n',
        },
        scripts: { postinst: "systemd-sysusers a.conf\n" },
      },
      { name: "c", scripts: { postinst: "adduser --system --group --home /var/lib/c c\n" } },
    );
    const passwd = await text(tree, "/etc/passwd");
    expect(passwd).toContain("a:*:998:998:The a:/run/a:/usr/sbin/nologin\n");
    expect(passwd).toContain("b:*:997:65534::/:/usr/sbin/nologin\n");
    expect(await text(tree, "/etc/group")).toMatch(/^shadow:\*:42:a$/m);
    expect(tree.get("/var/lib/c")).toMatchObject({ type: "directory", uid: 100, gid: 100 });
  });
});

describe("alternatives", () => {
  const awk = (name: string, priority: number): PackageParts => ({
    name,
    files: { [`/usr/bin/${name}`]: "", [`/usr/share/man/man1/${name}.1.gz`]: "" },
    scripts: {
      postinst: `update-alternatives --quiet --install /usr/bin/awk awk /usr/bin/${name} ${priority} \\
        --slave /usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/${name}.1.gz \\
        --slave /usr/bin/igawk igawk /usr/bin/missing\n`,
    },
  });

  it("are what has the highest priority, with the slaves that are there", async () => {
    const { tree } = await configure(awk("mawk", 5), awk("gawk", 10), awk("other", 1));
    expect(link(tree, "/usr/bin/awk")).toBe("/etc/alternatives/awk");
    expect(link(tree, "/etc/alternatives/awk")).toBe("/usr/bin/gawk");
    expect(tree.resolve("/usr/share/man/man1/awk.1.gz").path).toBe("/usr/share/man/man1/gawk.1.gz");
    expect(tree.has("/usr/bin/igawk")).toBe(false);
    expect(tree.get("/etc/alternatives/awk")?.origin).toMatchObject({ name: "gawk" });
  });

  it("need the file that they are about", async () => {
    const { tree } = await configure({ ...awk("gawk", 10), files: {} });
    expect(tree.has("/etc/alternatives")).toBe(false);
  });
});

describe("certificates", () => {
  it("have the names by which openssl of this machine looks for them", () => {
    const directory = "/etc/ssl/certs";
    const hashed = readdirSync(directory).filter((name) => /^[0-9a-f]{8}\.0$/.test(name));
    expect(hashed.length).toBeGreaterThan(100);
    for (const name of hashed) {
      const pem = readFileSync(`${directory}/${readlinkSync(`${directory}/${name}`)}`, "utf8");
      expect(`${certificateHash(pem)}.0`).toBe(name);
    }
  });

  it("are bundled as update-ca-certificates bundles them", async () => {
    const source = "/usr/share/ca-certificates/mozilla";
    const files = Object.fromEntries(
      readdirSync(source).map((name) => [`${source}/${name}`, readFileSync(`${source}/${name}`, "utf8")]),
    );
    const { tree, needs } = await configure(
      { name: "ca-certificates", files },
      { name: "libssl3t64", files: { "/usr/lib/x86_64-linux-gnu/libssl.so.3": "" } },
    );
    expect((await text(tree, "/etc/ssl/certs/ca-certificates.crt")).match(/BEGIN/g)?.length).toBe(
      Object.keys(files).length,
    );
    const [name = ""] = Object.keys(files);
    const pem = `/etc/ssl/certs/${name.slice(source.length + 1, -4)}.pem`;
    expect(link(tree, pem)).toBe(name);
    expect(needs).toContainEqual(
      expect.objectContaining({
        from: "/usr/lib/x86_64-linux-gnu/libssl.so.3",
        path: "/etc/ssl/certs/ca-certificates.crt",
      }),
    );
  });

  it("that are none have no name", () => {
    expect(certificateHash("no certificate")).toBeUndefined();
    expect(certificateHash("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----")).toBeUndefined();
  });
});

describe("files", () => {
  it("of base-files and libc-bin are copied from their masters", async () => {
    const { tree } = await configure(
      {
        name: "base-files",
        files: { "/usr/share/base-files/profile": "p\n", "/usr/share/base-files/dot.bashrc": "b\n" },
      },
      { name: "libc-bin", files: { "/usr/share/libc-bin/nsswitch.conf": "passwd: files\n" } },
    );
    expect(await text(tree, "/etc/profile")).toBe("p\n");
    expect(await text(tree, "/root/.bashrc")).toBe("b\n");
    expect(await text(tree, "/etc/nsswitch.conf")).toBe("passwd: files\n");
    expect(tree.get("/var/mail")).toMatchObject({ mode: 0o2775, gid: 8 });
    expect(tree.get("/run/lock")?.mode).toBe(0o1777);
    expect(link(tree, "/var/spool/mail")).toBe("../mail");
    expect(tree.has("/etc/ld.so.cache")).toBe(false);
  });

  it("of nginx belong to whom it writes them as, and its programs need them", async () => {
    const { tree, needs } = await configure(
      { name: "nginx", files: { "/usr/sbin/nginx": "" } },
      {
        name: "nginx-common",
        source: "nginx",
        files: { "/var/lib/nginx/": "", "/var/log/nginx/": "", "/etc/nginx/sites-enabled/": "" },
      },
      { name: "libnginx-mod-x", scripts: { postinst: "for confpair in mod-x.conf:50-mod-x.conf  ; do\n" } },
    );
    expect(tree.get("/var/log/nginx")).toMatchObject({ uid: 0, gid: 4, mode: 0o755 });
    expect(tree.get("/var/log/nginx/error.log")).toMatchObject({ uid: 33, gid: 4, mode: 0o640 });
    expect(link(tree, "/etc/nginx/modules-enabled/50-mod-x.conf")).toBe(
      "/usr/share/nginx/modules-available/mod-x.conf",
    );
    expect(needs).toContainEqual({
      from: "/usr/sbin/nginx",
      path: "/var/lib/nginx",
      package: "nginx-common",
      what: "directory for its state",
    });
  });

  it("get the owner and mode that dpkg-statoverride gives them", async () => {
    const { tree } = await configure({
      name: "dbus",
      files: { "/usr/lib/helper": "h" },
      scripts: {
        postinst:
          'MESSAGEUSER=messagebus\nadduser --system --group "$MESSAGEUSER"\ndpkg-statoverride --update --add root "$MESSAGEUSER" 4754 /usr/lib/helper\n',
      },
    });
    expect(tree.get("/usr/lib/helper")).toMatchObject({ uid: 0, gid: 101, mode: 0o4754 });
  });

  it("that are there stay as they are", async () => {
    const passwd = "root:*:0:0:mine:/root:/bin/sh\n";
    const { tree } = await configure(
      { name: "own", files: { "/etc/passwd": passwd, "/etc/nsswitch.conf": "mine\n" } },
      { name: "libc-bin", files: { "/usr/share/libc-bin/nsswitch.conf": "theirs\n" } },
    );
    expect(await text(tree, "/etc/passwd")).toBe(passwd);
    expect(await text(tree, "/etc/nsswitch.conf")).toBe("mine\n");
  });

  it("keep the attributes of the directories that they come into", async () => {
    const etc = { type: "directory", ...attributes(0o700, { uid: 7 }) } as const;
    const { tree } = await configure({ name: "a", entries: { "/etc": etc } });
    expect(tree.get("/etc")).toMatchObject({ mode: 0o700, uid: 7 });
  });
});
