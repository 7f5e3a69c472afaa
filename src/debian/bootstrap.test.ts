import { describe, expect, it } from "vitest";
import { bytesContent, readText } from "../io/index.ts";
import { attributes, type Entry, Tree, type TreePath, treeOf } from "../tree/index.ts";
import { databaseFiles, extendedStates } from "./bootstrap-database.ts";
import { documentationRules, isDocumentation } from "./bootstrap-documentation.ts";
import { configureScript } from "./bootstrap-script.ts";
import { aptSourcesText } from "./bootstrap-settings.ts";
import { settled } from "./bootstrap-settle.ts";
import { parseParagraphs } from "./deb822.ts";
import type { DebianPackage } from "./open-package.ts";

function file(text: string, mtime = 0, mode = 0o644): Entry {
  return { type: "file", content: bytesContent(text), ...attributes(mode, { mtime }) };
}

function pack(
  controlText: string,
  scripts: Readonly<Record<string, string>> = {},
  files: readonly (readonly [TreePath, Entry])[] = [],
  conffiles: readonly TreePath[] = [],
): DebianPackage {
  const control = parseParagraphs(controlText, "control")[0] ?? new Map();
  const [name, architecture] = [control.get("package") ?? "", control.get("architecture") ?? "amd64"];
  return {
    name,
    version: "1",
    architecture,
    controlText,
    control,
    conffiles,
    scripts: new Map(Object.entries(scripts)),
    tree: treeOf(files),
    md5sums: async () => "",
  } as unknown as DebianPackage;
}

describe("databaseFiles", () => {
  it("records unpacked packages as dpkg does", async () => {
    const one = pack(
      "Package: libx\nArchitecture: amd64\nMulti-Arch: same\nVersion: 1\nDescription: x\n more\n",
      {},
      [["/etc/x.conf", file("abc")]],
      ["/etc/x.conf"],
    );
    const controlFiles = new Map([
      ["postinst", "#!/bin/sh\n"],
      [
        "triggers",
        "# none\ninterest-noawait /usr/share/x\ninterest y\ninterest-await z\nactivate ldconfig\n",
      ],
    ]);
    const known = new Map([
      ["/var/lib/dpkg/status", "Package: old\n"],
      ["/var/lib/dpkg/triggers/File", "/old old\n"],
    ]);
    const files = await databaseFiles([{ package: one, controlFiles }], known);
    expect(Object.fromEntries(files)).toEqual({
      "/var/lib/dpkg/info/libx:amd64.list": "/.\n/etc\n/etc/x.conf\n",
      "/var/lib/dpkg/info/libx:amd64.postinst": "#!/bin/sh\n",
      "/var/lib/dpkg/info/libx:amd64.triggers": controlFiles.get("triggers"),
      "/var/lib/dpkg/info/format": "1\n",
      // The sum is that of RFC 1321.
      "/var/lib/dpkg/status":
        "Package: old\n\nPackage: libx\nStatus: install ok unpacked\nArchitecture: amd64\nMulti-Arch: same\nVersion: 1\n" +
        "Description: x\n more\nConffiles:\n /etc/x.conf 900150983cd24fb0d6963f7d28e17f72\n",
      "/var/lib/dpkg/triggers/File": "/old old\n/usr/share/x libx:amd64/noawait\n",
      "/var/lib/dpkg/triggers/y": "libx:amd64\n",
      "/var/lib/dpkg/triggers/z": "libx:amd64\n",
    });
  });

  it("notes for apt what nobody asked for", () => {
    const packages = [pack("Package: a\nArchitecture: all\n"), pack("Package: b\nArchitecture: amd64\n")];
    expect(extendedStates(packages, new Set(["b"]), "arm64")).toBe(
      "Package: a\nArchitecture: arm64\nAuto-Installed: 1\n\n",
    );
  });
});

describe("configureScript", () => {
  const preinst = { preinst: "#!/bin/sh\n" };

  it("runs preinst scripts in order, what a package needs before it configured already", () => {
    const packages = [
      pack("Package: libc\nEssential: yes\nPre-Depends: nothing\n", preinst),
      pack("Package: users\nDepends: libc\nProvides: account-tool\n"),
      pack(
        "Package: server\nMulti-Arch: same\nArchitecture: amd64\nPre-Depends: missing | account-tool (>= 1)\n",
        preinst,
      ),
    ];
    const script = configureScript({ packages, epoch: 7, commands: ["echo 'it''s'"] });
    const lines = script.split("\n").filter((line) => /^(?:configure|preinst|sh) /.test(line));
    expect(lines).toEqual([
      "preinst libc amd64 libc",
      "configure libc users",
      "preinst server amd64 server:amd64",
      "configure -a",
      "sh -e -c 'echo '\\''it'\\'''\\''s'\\'''",
    ]);
    expect(script).toMatch(/^#!\/bin\/sh\nset -e\n/);
    expect(script).toContain("SOURCE_DATE_EPOCH=7");
  });
});

describe("documentation", () => {
  it.each([
    ["/usr/share/doc/x/README.gz", true],
    ["/usr/share/doc/x/copyright", false],
    ["/usr/share/doc/x/sub/copyright", false],
    ["/usr/share/man/man1/x.1.gz", true],
    ["/usr/share/locale/de/LC_MESSAGES/x.mo", true],
    ["/usr/share/lintian/overrides/x", true],
    ["/usr/share/lintian/profiles/x", false],
    ["/usr/share/doc", false],
    ["/usr/share/documents/x", false],
    ["/usr/bin/man", false],
  ])("knows what of %s is left out", (path, left) => {
    expect(isDocumentation(path)).toBe(left);
  });

  it("tells dpkg the same", () => {
    expect(documentationRules.match(/^path-exclude .*$/gm)).toHaveLength(6);
    expect(documentationRules.trimEnd().split("\n").at(-1)).toBe("path-include /usr/share/doc/*/copyright");
  });
});

describe("aptSourcesText", () => {
  it("names each mirror once, with its suites", () => {
    const archive = {
      suites: [
        { suite: "trixie", mirror: "http://a/debian" },
        { suite: "trixie-updates", mirror: "http://a/debian" },
        { suite: "trixie-security", mirror: "http://a/security" },
      ],
      components: ["main", "contrib"],
      snapshot: true,
    };
    expect(aptSourcesText(archive, "/k.gpg")).toBe(`Types: deb
URIs: http://a/debian
Suites: trixie trixie-updates
Components: main contrib
Signed-By: /k.gpg
Check-Valid-Until: no

Types: deb
URIs: http://a/security
Suites: trixie-security
Components: main contrib
Signed-By: /k.gpg
Check-Valid-Until: no
`);
    expect(aptSourcesText({ ...archive, snapshot: false }, undefined)).not.toMatch(/Signed-By|Check-Valid/);
  });
});

describe("settled", () => {
  it("takes away what says when and where a system was configured", async () => {
    const day = 86_400;
    const system = treeOf([
      ["/.whittle-configure", file("x")],
      ["/etc/machine-id", file("0123456789abcdef0123456789abcdef\n")],
      ["/etc/passwd-", file("x")],
      ["/etc/shadow", file("root:*:20000:0:99999:7:::\nlocked:!::::::\n", 30 * day, 0o640)],
      ["/run/lock", { type: "directory", ...attributes(0o1777) }],
      ["/run/pid", file("1")],
      ["/usr/lib/python3/x.py", file("x", 5)],
      ["/usr/lib/python3/__pycache__/x.pyc", file("x")],
      ["/var/cache/ldconfig/aux-cache", file("x")],
      ["/var/lib/dpkg/lock", file("")],
      ["/var/lib/dpkg/status", file("x", 20 * day)],
      ["/var/lib/dpkg/status-old", file("x")],
      ["/var/log/dpkg.log", file("x")],
      ["/var/log/lastlog", file("")],
    ]);
    const tree = await settled(system, 10 * day);
    const files = [...tree.entries()].filter(([, entry]) => entry.type === "file").map(([path]) => path);
    expect(files).toEqual([
      "/etc/machine-id",
      "/etc/shadow",
      "/usr/lib/python3/x.py",
      "/var/lib/dpkg/status",
      "/var/log/lastlog",
    ]);
    expect(tree.has("/run/lock")).toBe(true);
    expect(await textAt(tree, "/etc/shadow")).toBe("root:*:10:0:99999:7:::\nlocked:!::::::\n");
    expect(await textAt(tree, "/etc/machine-id")).toBe("");
    expect([tree.get("/usr/lib/python3/x.py")?.mtime, tree.get("/var/lib/dpkg/status")?.mtime]).toEqual([
      5,
      10 * day,
    ]);
    expect((await settled(Tree.empty, 0)).size).toBe(0);
  });
});

async function textAt(tree: Tree, path: TreePath): Promise<string> {
  const entry = tree.get(path);
  return entry?.type === "file" ? readText(entry.content) : "";
}
