import { describe, expect, it } from "vitest";
import { packageOf } from "../../test/debian-packages.ts";
import { quietWork } from "../io/index.ts";
import { copyrightOf, packagesIn, statusEntries, unpack } from "./index.ts";

const sum = "d41d8cd98f00b204e9800998ecf8427e";
const library = packageOf({
  name: "libx",
  version: "1:2.0-1",
  files: { "/usr/lib/libx.so": "x", "/usr/share/doc/libx": "-> libx-common" },
  md5sums: `${sum}  usr/lib/libx.so\n${sum}  usr/share/man/x.gz\n`,
});
const common = packageOf({
  name: "libx-common",
  architecture: "all",
  files: { "/usr/share/doc/libx-common/copyright": "free" },
});

describe("what scanners read", () => {
  it("is the control paragraph and the sums of what is in the image", async () => {
    const tree = await unpack([library, common], quietWork);
    const entries = await statusEntries([library, common], tree);
    expect(entries.map(([path, bytes]) => [path, Buffer.from(bytes).toString()])).toEqual([
      ["/var/lib/dpkg/status.d/libx", "Package: libx\nVersion: 1:2.0-1\nArchitecture: amd64\n"],
      ["/var/lib/dpkg/status.d/libx.md5sums", `${sum}  usr/lib/libx.so\n`],
      ["/var/lib/dpkg/status.d/libx-common", "Package: libx-common\nVersion: 1\nArchitecture: all\n"],
      ["/var/lib/dpkg/status.d/libx-common.md5sums", ""],
    ]);
  });

  it("keeps several architectures of one package apart", async () => {
    const other = packageOf({ name: "libx", architecture: "i386" });
    const paths = (await statusEntries([library, other])).map(([path]) => path);
    expect(paths).toContain("/var/lib/dpkg/status.d/libx:i386");
  });

  it("has the licence of a package that links to another one's", async () => {
    const tree = await unpack([library, common], quietWork);
    expect(copyrightOf(library, tree)).toMatchObject({
      path: "/usr/share/doc/libx-common/copyright",
      links: ["/usr/share/doc/libx"],
    });
    expect(copyrightOf(packageOf({ name: "none" }), tree)).toBeUndefined();
  });

  it("is about the packages that have a file left", async () => {
    const tree = await unpack([library, common], quietWork);
    const left = tree.filter((path) => path === "/usr/lib/libx.so");
    expect(packagesIn(left, [library, common]).map(({ name }) => name)).toEqual(["libx"]);
  });
});
