import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { chooseMirrors, snapshotTime } from "./mirrors.ts";
import { aptSources } from "./sources.ts";

let apt: string;

beforeEach(async () => {
  apt = await mkdtemp(join(tmpdir(), "whittle-apt-"));
  await mkdir(join(apt, "sources.list.d"));
});

afterEach(() => rm(apt, { recursive: true }));

const put = (name: string, text: string): Promise<void> => writeFile(join(apt, name), text);
const choose = (more: object = {}) => chooseMirrors({ environment: {}, aptDirectory: apt, ...more });

const deb822 = `Types: deb deb-src
# a comment between fields
URIs: http://mirror.example/debian/
Suites: trixie trixie-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://security.example/debian-security
Suites: trixie-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----
`;

describe("apt's sources", () => {
  it("are read in deb822 style", async () => {
    await put("sources.list.d/debian.sources", deb822);
    const [first, second, ...more] = await aptSources(apt);
    expect(first).toMatchObject({
      uris: ["http://mirror.example/debian"],
      suites: ["trixie", "trixie-updates"],
      components: ["main", "contrib"],
    });
    expect(second?.options.get("signed-by")).toContain("BEGIN PGP");
    expect(more).toEqual([]);
  });

  it("are read in one-line style, options and comments included", async () => {
    await put(
      "sources.list",
      `# deb http://commented.example/debian trixie main
deb [ arch=amd64,arm64 signed-by=/usr/share/keyrings/x.gpg ] http://mirror.example/debian/ trixie main contrib # why
deb-src http://mirror.example/debian trixie main
deb http://other.example/flat ./
`,
    );
    const [first, flat, ...more] = await aptSources(apt);
    expect(first).toMatchObject({
      uris: ["http://mirror.example/debian"],
      suites: ["trixie"],
      components: ["main", "contrib"],
    });
    expect([...(first?.options ?? [])]).toEqual([
      ["arch", "amd64,arm64"],
      ["signed-by", "/usr/share/keyrings/x.gpg"],
    ]);
    expect(flat).toMatchObject({ suites: ["./"], components: [] });
    expect(more).toEqual([]);
  });

  it.each(["no", "false", "off", "0", "No"])("are left out when Enabled says %s", async (no) => {
    await put("sources.list.d/a.sources", `Enabled: ${no}\n${deb822.split("\n\n")[0]}\n`);
    expect(await aptSources(apt)).toEqual([]);
  });

  it.each(["debian.sources.disabled", "debian.list.save", "debian.list~", "de bian.list", "debian.conf"])(
    "are not looked for in %s",
    async (name) => {
      await put(`sources.list.d/${name}`, "deb http://mirror.example/debian trixie main\n");
      expect(await aptSources(apt)).toEqual([]);
    },
  );

  it("are passed over where they cannot be read, and the others still count", async () => {
    await put("sources.list.d/broken.sources", "this is: not\nany format\n");
    await mkdir(join(apt, "sources.list.d/folder.list"));
    await put("sources.list.d/good.list", "deb http://mirror.example/debian trixie main\n");
    expect(await aptSources(apt)).toHaveLength(1);
    expect(await aptSources(join(apt, "nowhere"))).toEqual([]);
  });

  it("may name a file of mirrors", async () => {
    const list = join(apt, "mirrors.txt");
    await writeFile(list, "http://near.example/debian/\tpriority:1\n\nhttp://far.example/debian\n");
    await put("sources.list", `deb mirror+file:${list} trixie main\n`);
    expect((await aptSources(apt))[0]?.uris).toEqual([
      "http://near.example/debian",
      "http://far.example/debian",
    ]);
  });
});

describe("the mirror", () => {
  it("is the one of apt's sources, with the security mirror beside", async () => {
    await put("sources.list.d/debian.sources", deb822);
    expect(await choose()).toEqual({
      main: "http://mirror.example/debian",
      security: "http://security.example/debian-security",
    });
  });

  it("is Debian's own, not another vendor's that uses Debian's suite names", async () => {
    await put(
      "sources.list",
      `deb http://vendor.example/apt bookworm main
deb [signed-by=/usr/share/keyrings/vendor.gpg] http://vendor.example/debian bookworm main
deb http://mirror.example/debian bookworm main
deb http://mirror.example/debian bookworm-updates main
deb https://cloud.example/apt cloud-sdk-bookworm main
`,
    );
    await put("sources.list.d/debian.sources", deb822);
    expect((await choose()).main).toBe("http://mirror.example/debian");
  });

  it("is what the environment names, and before that what the recipe names", async () => {
    await put("sources.list.d/debian.sources", deb822);
    const environment = { DEBIAN_MIRROR: "http://set.example/debian/" };
    expect(await choose({ environment })).toEqual({
      main: "http://set.example/debian",
      security: "http://set.example/debian-security",
    });
    expect((await choose({ environment, mirror: "https://recipe.example/d" })).main).toBe(
      "https://recipe.example/d",
    );
    const both = { ...environment, DEBIAN_SECURITY_MIRROR: "http://sec.example/s" };
    expect((await choose({ environment: both })).security).toBe("http://sec.example/s");
  });

  it("that nobody names is an error that says what to set", async () => {
    await put("sources.list", "deb http://ubuntu.example/ubuntu noble main\n");
    await expect(choose()).rejects.toMatchObject({
      code: "ENVIRONMENT",
      hint: expect.stringContaining("DEBIAN_MIRROR"),
    });
    await expect(choose({ mirror: "ftp://old.example/debian" })).rejects.toMatchObject({
      code: "RECIPE_INVALID",
    });
  });
});

describe("a snapshot", () => {
  const snapshotMirror = "http://snapshot.example/";

  it("is a moment of the archive on a snapshot mirror", async () => {
    expect(await choose({ snapshot: "20260912T075541Z", snapshotMirror })).toEqual({
      main: "http://snapshot.example/archive/debian/20260912T075541Z",
      security: "http://snapshot.example/archive/debian-security/20260912T075541Z",
      asOf: Date.UTC(2026, 8, 12, 7, 55, 41),
    });
    const environment = { DEBIAN_SNAPSHOT_MIRROR: "http://env.example" };
    expect((await choose({ snapshot: "20260912", environment })).main).toBe(
      "http://env.example/archive/debian/20260912T000000Z",
    );
  });

  it("needs a mirror and a date that exists", async () => {
    await expect(choose({ snapshot: "20260912" })).rejects.toMatchObject({ code: "ENVIRONMENT" });
    await expect(choose({ snapshot: "yesterday", snapshotMirror })).rejects.toMatchObject({
      code: "RECIPE_INVALID",
    });
    expect(snapshotTime("20261399T000000Z")).toBeUndefined();
  });
});
