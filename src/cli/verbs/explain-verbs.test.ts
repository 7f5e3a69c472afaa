import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { carve, standardEvidence, surfaceOf } from "../../carve/index.ts";
import { mediaTypes, parsePlatform, writeArtifact, writeImage, writeLayer } from "../../image/index.ts";
import { bytesContent, quietWork } from "../../io/index.ts";
import { openStore } from "../../store/index.ts";
import { attributes, type Entry, type Origin, type Tree, treeOf } from "../../tree/index.ts";

const directory = mkdtempSync(join(tmpdir(), "whittle-explain-"));
const storeDirectory = join(directory, "store");
const program = `const { main } = await import(${JSON.stringify(new URL("../main.ts", import.meta.url).href)});
await main(process.argv.slice(1));`;

function whittle(...args: string[]): { status: number | null; out: string; err: string } {
  const all = ["--input-type=module", "-e", program, "--", "--store", storeDirectory, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: "utf8", cwd: directory });
  return { status, out: stdout, err: stderr };
}

function json(...args: string[]): unknown {
  const { status, out, err } = whittle(...args, "--format", "json");
  expect({ status, err }).toEqual({ status: 0, err: "" });
  return JSON.parse(out);
}

const origin: Origin = { kind: "package", name: "tool", version: "1.2-3", architecture: "amd64" };
const file = (text: string, mode = 0o644): Entry => ({
  type: "file",
  ...attributes(mode, { origin }),
  content: bytesContent(text),
});
const packages = treeOf([
  ["/bin", { type: "symlink", ...attributes(0o777, { origin }), target: "usr/bin" }],
  ["/usr/bin/sh", file("a shell", 0o755)],
  ["/usr/bin/tool", file("#!/bin/sh\n", 0o4755)],
  ["/usr/share/man/tool.1", file("a manual page")],
]);
const application = treeOf([
  [
    "/srv/data\u001b[31m.txt",
    {
      type: "file",
      ...attributes(0o640, { uid: 5, gid: 6, origin: { kind: "context", path: "data.txt" } }),
      content: bytesContent("data"),
    },
  ],
]);

async function addImage(name: string, layers: readonly Tree[], reasons?: unknown): Promise<void> {
  const store = await openStore(storeDirectory, { create: true });
  const written = [];
  for (const tree of layers) written.push(await writeLayer(tree, store, { work: quietWork }));
  const image = await writeImage(store, {
    platform: parsePlatform("linux/amd64"),
    config: {},
    layers: written,
    history: layers.map((_, index) => ({ created_by: `layer ${index}` })),
  });
  await store.tag(name, image);
  if (reasons === undefined) return;
  const mediaType = mediaTypes.reasons;
  const content = bytesContent(JSON.stringify(reasons));
  await store.attach(
    await writeArtifact(store, { artifactType: mediaType, subject: image, blobs: [{ mediaType, content }] }),
  );
}

beforeAll(async () => {
  const evidence = standardEvidence();
  const carved = await carve(packages, [{ path: "/usr/bin/tool" }], evidence, {
    surface: await surfaceOf(application, evidence),
  });
  await addImage("carved", [carved.tree, application], carved.reasons);
  const status = "Package: tool\nStatus: install ok installed\nVersion: 1.2-3\nArchitecture: amd64\n";
  await addImage("foreign", [
    packages.overlay(
      treeOf([
        ["/var/lib/dpkg/status", file(status)],
        ["/var/lib/dpkg/info/tool.list", file("/.\n/bin\n/bin/tool\n")],
      ]),
    ),
  ]);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("whittle why", () => {
  it("prints the shortest chain from what the person named", () => {
    expect(whittle("why", "carved", "/bin").out).toBe(
      [
        "/bin is a link from tool 1.2-3.",
        "",
        "  /usr/bin/tool",
        "    named as a root",
        "    /usr/bin/sh",
        "      /usr/bin/tool begins with #!/bin/sh",
        "      /bin",
        "        a link that leads to /usr/bin/sh",
        "",
      ].join("\n"),
    );
  });

  it("follows links to the path that was meant, and says so", () => {
    expect(whittle("why", "carved", "/bin/sh").out).toMatch(/^\/usr\/bin\/sh \(\/bin\/sh\) is a file of 7 B/);
  });

  it("gives the same as JSON, with every direct reason when asked", () => {
    expect(json("why", "carved", "/usr/bin/sh", "--all")).toMatchObject({
      path: "/usr/bin/sh",
      kept: true,
      type: "file",
      size: 7,
      origin,
      chain: [
        { to: "/usr/bin/tool", how: { kind: "named", by: "root" }, text: "named as a root" },
        { from: "/usr/bin/tool", to: "/usr/bin/sh", how: { kind: "script-interpreter" } },
      ],
      reasons: [{ from: "/usr/bin/tool" }],
    });
  });

  it("says of a dropped file what it was and that nothing needs it", () => {
    const { status, out } = whittle("why", "carved", "/usr/share/man/tool.1");
    expect(status).toBe(0);
    expect(out).toBe(
      "/usr/share/man/tool.1 was dropped: a file of 13 B from tool 1.2-3. Nothing that is kept needs it.\n",
    );
    expect(json("why", "carved", "/usr/share/man/tool.1")).toEqual({
      path: "/usr/share/man/tool.1",
      kept: false,
      type: "file",
      size: 13,
      origin,
    });
  });

  it("draws what leads to a path", () => {
    const { out } = whittle("why", "carved", "/bin", "--dot");
    expect(out).toContain('"/usr/bin/tool" -> "/usr/bin/sh" [label="script-interpreter"]');
    expect(out).toContain('"/usr/bin/sh" -> "/bin" [label="link"]');
  });

  it("refuses a path that never was, with the nearest one", () => {
    const { status, err } = whittle("why", "carved", "/usr/bin/tol");
    expect(status).toBe(2);
    expect(err).toMatch(/Cannot explain "\/usr\/bin\/tol"/);
    expect(err).toMatch(/did you mean \/usr\/bin\/tool\?/);
  });

  it("tells package and file of an image that Whittle did not carve", () => {
    const { status, out } = whittle("why", "foreign", "/usr/bin/tool");
    expect(status).toBe(0);
    expect(out).toMatch(/is a file of 10 B from tool 1\.2-3\.\nThe image carries no reasons/);
    expect(whittle("why", "foreign", "/usr/bin/tool", "--dot").status).toBe(2);
  });
});

describe("whittle tree", () => {
  it("lists mode, owner, size, origin and path, and no escape sequence of a name", () => {
    const { out } = whittle("tree", "carved");
    expect(out).toMatch(/^MODE +OWNER +SIZE +ORIGIN +PATH\n/);
    expect(out).toMatch(/^lrwxrwxrwx {2}0:0 +tool 1\.2-3 +\/bin -> usr\/bin$/m);
    expect(out).toMatch(/^-rwsr-xr-x {2}0:0 +10 B {2}tool 1\.2-3 +\/usr\/bin\/tool$/m);
    expect(out).toMatch(/^-rw-r----- {2}5:6 +4 B {2}data\.txt +\/srv\/data\\x1b\[31m\.txt$/m);
  });

  it("lists below a path, to a depth, in order of size", () => {
    expect(json("tree", "carved", "/usr", "--depth", "1", "--sort", "size")).toMatchObject([
      { path: "/usr", type: "directory", size: 17 },
      { path: "/usr/bin", type: "directory", size: 17 },
    ]);
    expect(json("tree", "carved", "/bin")).toMatchObject([
      { path: "/bin", type: "symlink", target: "usr/bin" },
    ]);
  });

  it("lists what one layer put there", () => {
    const rows = json("tree", "carved", "--layer", "2") as { path: string; layer: number }[];
    expect(rows.map(({ path }) => path)).toEqual(["/srv", "/srv/data\u001b[31m.txt"]);
    const { status, err } = whittle("tree", "carved", "--layer", "3");
    expect(status).toBe(2);
    expect(err).toMatch(/the image has 2/);
  });

  it.each([
    ["--depth", "x"],
    ["--layer", "0"],
  ])("refuses %s %s", (flag, value) => {
    const { status, err } = whittle("tree", "carved", flag, value);
    expect([status, /a number from \d is wanted/.test(err)]).toEqual([2, true]);
  });

  it("refuses an image and a path that are not there", () => {
    expect(whittle("tree", "nothing").status).toBe(2);
    expect(whittle("tree", "carved", "/nothing").err).toMatch(/the image has nothing of that name/);
  });

  it("tells the package of each path of an image with dpkg", () => {
    expect(json("tree", "foreign", "/usr/bin/tool")).toMatchObject([{ origin, layer: 1 }]);
    expect(json("tree", "foreign", "/usr/bin/sh")).toMatchObject([{ origin: { kind: "layer", index: 0 } }]);
  });
});
