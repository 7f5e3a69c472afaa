import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PackageParts, packageOf } from "../../test/debian-packages.ts";
import { quietWork } from "../io/index.ts";
import { attributes, type Tree } from "../tree/index.ts";
import { unpack } from "./index.ts";

/** A tree as a map that can be read: `path → owner`, links with their targets. */
function outline(tree: Tree): Record<string, string> {
  return Object.fromEntries(
    [...tree.entries()].flatMap(([path, entry]) => {
      const owner = entry.origin?.kind === "package" ? entry.origin.name : (entry.origin?.kind ?? "-");
      if (entry.type === "directory") return [];
      return [[path, entry.type === "symlink" ? `-> ${entry.target}` : owner]];
    }),
  );
}

const lay = (...parts: PackageParts[]) => unpack(parts.map(packageOf), quietWork);

describe("packages laid over each other", () => {
  it("share their directories, and a merged /usr", async () => {
    const tree = await lay(
      {
        name: "old",
        files: { "/bin/": "", "/bin/tool": "1", "/lib/x/": "", "/lib/x/y.so": "1", "/sbin/admin": "1" },
      },
      {
        name: "new",
        files: { "/usr/bin/": "", "/usr/bin/other": "2", "/usr/lib64/ld.so": "2", "/etc/new": "2" },
      },
    );
    expect(outline(tree)).toEqual({
      "/bin": "-> usr/bin",
      "/etc/new": "new",
      "/lib": "-> usr/lib",
      "/lib64": "-> usr/lib64",
      "/sbin": "-> usr/sbin",
      "/usr/bin/other": "new",
      "/usr/bin/tool": "old",
      "/usr/lib/x/y.so": "old",
      "/usr/lib64/ld.so": "new",
      "/usr/sbin/admin": "old",
    });
    expect(tree.resolve("/lib/x/y.so").path).toBe("/usr/lib/x/y.so");
  });

  it("keep the links of base-files where it ships them", async () => {
    const tree = await lay(
      { name: "busybox", files: { "/bin/busybox": "b" } },
      { name: "base-files", files: { "/bin": "-> usr/bin" } },
    );
    expect(tree.get("/bin")?.origin).toMatchObject({ name: "base-files" });
    expect(tree.has("/usr/bin/busybox")).toBe(true);
  });

  it("keep a file against the link that would stand in its own place", async () => {
    const compat = {
      name: "compat",
      files: { "/bin/which": "-> /usr/bin/which", "/sbin/ip": "-> ../bin/ip" },
    };
    const real = { name: "real", files: { "/usr/bin/which": "w", "/usr/bin/ip": "i" } };
    for (const order of [
      [compat, real],
      [real, compat],
    ]) {
      const tree = await lay(...order);
      expect(outline(tree)).toMatchObject({ "/usr/bin/which": "real", "/usr/sbin/ip": "-> ../bin/ip" });
    }
  });

  it("go through links to directories that are there", async () => {
    const tree = await lay(
      {
        name: "a",
        files: { "/usr/share/doc/": "", "/usr/share/doc/b": "-> a", "/usr/share/doc/a/copyright": "c" },
      },
      { name: "b", files: { "/usr/share/doc/b/": "", "/usr/share/doc/b/changelog": "l" } },
    );
    expect(tree.has("/usr/share/doc/a/changelog")).toBe(true);
    expect(tree.get("/usr/share/doc/b")?.type).toBe("symlink");
  });

  it("never lose a directory to a link", async () => {
    const tree = await lay(
      { name: "a", files: { "/srv/x/file": "1" } },
      { name: "b", files: { "/srv/x": "-> elsewhere" } },
    );
    expect(outline(tree)).toEqual({ "/srv/x/file": "a" });
  });

  it("leave a shared directory as the first one has it, base-files before all", async () => {
    const tmp = (mode: number) => ({ "/tmp": { type: "directory", ...attributes(mode) } as const });
    const tree = await lay(
      { name: "other", entries: tmp(0o755) },
      { name: "base-files", entries: tmp(0o1777) },
    );
    expect(tree.get("/tmp")?.mode).toBe(0o1777);
  });

  it("cannot lead out of the root by a link", async () => {
    const tree = await lay(
      { name: "a", files: { "/out": "-> ../../../../etc" } },
      { name: "b", files: { "/out/": "", "/out/shadow": "x" } },
    );
    expect(outline(tree)).toEqual({ "/out": "-> ../../../../etc", "/etc/shadow": "b" });
  });

  it("stand links that lead in circles", async () => {
    const tree = await lay({ name: "a", files: { "/x": "-> y", "/y": "-> x" } });
    expect(outline(tree)).toEqual({ "/x": "-> y", "/y": "-> x" });
    await expect(
      lay({ name: "a", files: { "/x": "-> x" } }, { name: "b", files: { "/x/": "" } }),
    ).rejects.toMatchObject({
      code: "PACKAGE_CONFLICT",
    });
  });
});

describe("a file of two packages", () => {
  const one = { name: "one", version: "1.0", files: { "/etc/shared": "1" } };
  const two = { name: "two", version: "2.0", files: { "/etc/shared": "2" } };

  it("is a conflict that names both", async () => {
    await expect(lay(one, two)).rejects.toMatchObject({
      code: "PACKAGE_CONFLICT",
      message: "Cannot unpack two 2.0: its /etc/shared is already there from one 1.0",
    });
  });

  it("is no conflict when it is the same", async () => {
    const tree = await lay(one, { ...two, files: { "/etc/shared": "1" } });
    expect(outline(tree)).toEqual({ "/etc/shared": "one" });
  });

  it.each(["one", "one (<< 1.1)", "other | one", "x, one (= 1.0)"])(
    "belongs to the one that says Replaces: %s, in any order",
    async (replaces) => {
      const replacing = { ...two, control: { replaces } };
      expect(outline(await lay(one, replacing))).toEqual({ "/etc/shared": "two" });
      expect(outline(await lay(replacing, one))).toEqual({ "/etc/shared": "two" });
    },
  );

  it("stays a conflict when Replaces is about another version", async () => {
    await expect(lay(one, { ...two, control: { replaces: "one (<< 1.0)" } })).rejects.toMatchObject({
      code: "PACKAGE_CONFLICT",
    });
  });

  it("goes where a diversion sends it", async () => {
    const preinst =
      'set -e\nif [ "$1" = install ]; then\n  dpkg-divert --package two --add --rename \\\n    --divert /etc/shared.one /etc/shared\nfi\n';
    const diverting = { ...two, scripts: { preinst } };
    expect(outline(await lay(one, diverting))).toEqual({ "/etc/shared": "two", "/etc/shared.one": "one" });
    expect(outline(await lay(diverting, one))).toEqual({ "/etc/shared": "two", "/etc/shared.one": "one" });
  });

  it("does not go where a passing diversion would send it", async () => {
    const preinst = "dpkg-divert --package x --add --no-rename --divert /etc/shared.tmp /etc/shared\n";
    const postinst = "dpkg-divert --package x --remove --no-rename --divert /etc/shared.tmp /etc/shared\n";
    expect(outline(await lay({ ...one, scripts: { preinst, postinst } }))).toEqual({ "/etc/shared": "one" });
  });
});

it("gives the same tree in whatever order packages come, where they do not meet", async () => {
  const parts: PackageParts[] = [
    { name: "a", files: { "/bin/a": "a", "/usr/lib/a.so": "a" } },
    { name: "b", files: { "/usr/bin/b": "b", "/lib/b.so": "b" } },
    { name: "c", files: { "/usr/share/doc/c": "-> a", "/usr/share/doc/a/copyright": "c" } },
    { name: "base-files", files: { "/bin": "-> usr/bin", "/lib": "-> usr/lib", "/tmp/": "" } },
  ];
  const wanted = outline(await lay(...parts));
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(parts, { minLength: parts.length }), async (order) => {
      expect(outline(await lay(...order))).toEqual(wanted);
    }),
  );
});
