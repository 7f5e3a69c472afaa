import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  buildDeb,
  type DebParts,
  type RawMember,
  rawAr,
  rawTar,
  recordOf,
  sha256Hex,
} from "../../test/debian-fixture.ts";
import { bytesContent, quietWork, readText, WhittleError } from "../io/index.ts";
import { readAr } from "./ar.ts";
import { openDeb } from "./deb.ts";
import { type DebianPackage, openPackage } from "./open-package.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "whittle-deb-"));
});

afterEach(() => rm(directory, { recursive: true }));

async function open(deb: Buffer, parts: DebParts = {}, more: object = {}): Promise<DebianPackage> {
  const path = join(directory, "sample.deb");
  await writeFile(path, deb);
  return openPackage(path, { ...recordOf(deb, parts), ...more }, join(directory, "cache"), quietWork);
}

const code = (name: string) => expect.objectContaining({ code: name });

const data: RawMember[] = [
  { name: "./", type: "5", mode: 0o755 },
  { name: "./usr/", type: "5", mode: 0o755 },
  { name: "./usr/bin/", type: "5", mode: 0o755 },
  { name: "./usr/bin/tool", mode: 0o4755, uid: 0, gid: 42, body: "#!/bin/sh\n" },
  { name: "./usr/bin/same", type: "1", link: "./usr/bin/tool" },
  { name: "./usr/bin/link", type: "2", mode: 0o777, link: "tool" },
  { name: "./etc/sample.conf", body: "x=1\n" },
  { name: "./usr/share/empty", body: "" },
];
const control = {
  conffiles: "/etc/sample.conf\n",
  postinst: "#!/bin/sh\nexit 0\n",
  md5sums: `${"0".repeat(32)}  usr/bin/tool\n`,
};

const by = (program: string) => (bytes: Buffer) =>
  execFileSync(program, ["-c"], { input: bytes, maxBuffer: 1 << 26 });

describe("a package", () => {
  it.each<[string, string, (bytes: Buffer) => Buffer]>([
    ["gzip", ".gz", (bytes) => gzipSync(bytes)],
    ["xz", ".xz", by("xz")],
    ["zstd", ".zst", (bytes) => zstdCompressSync(bytes)],
    ["bzip2", ".bz2", by("bzip2")],
    ["nothing", "", (bytes) => bytes],
  ])("compressed by %s is read", async (_name, suffix, compress) => {
    const one = await open(buildDeb({ data, control, suffix, compress }));
    expect([...one.tree.entries()].map(([path, { type }]) => `${path} ${type}`)).toEqual([
      "/etc directory",
      "/etc/sample.conf file",
      "/usr directory",
      "/usr/bin directory",
      "/usr/bin/link symlink",
      "/usr/bin/same file",
      "/usr/bin/tool file",
      "/usr/share directory",
      "/usr/share/empty file",
    ]);
    const tool = one.tree.get("/usr/bin/tool");
    const same = one.tree.get("/usr/bin/same");
    if (tool?.type !== "file" || same?.type !== "file") throw new Error("files are wanted");
    expect(await readText(tool.content)).toBe("#!/bin/sh\n");
    expect(tool.content.digest).toBe(`sha256:${sha256Hex(Buffer.from("#!/bin/sh\n"))}`);
    expect(tool).toMatchObject({ mode: 0o4755, uid: 0, gid: 42, mtime: 1_700_000_000 });
    expect(tool.inode).toBeDefined();
    expect(same.inode).toBe(tool.inode);
    expect(tool.origin).toEqual({ kind: "package", name: "sample", version: "1.0-1", architecture: "amd64" });
    expect(one.conffiles).toEqual(["/etc/sample.conf"]);
    expect([...one.scripts]).toEqual([["postinst", control.postinst]]);
    expect(await one.md5sums()).toBe(control.md5sums);
    expect(one.control.get("maintainer")).toBe("T <t@example.org>");
  });

  it("as dpkg-deb builds it has the tree that dpkg-deb extracts", async () => {
    const root = join(directory, "root");
    const sizes = [0, 1, 511, 512, 513, 70_000];
    execFileSync("mkdir", ["-p", `${root}/DEBIAN`, `${root}/usr/share/sample/${"long".repeat(40)}`]);
    for (const size of sizes) {
      await writeFile(`${root}/usr/share/sample/${"long".repeat(40)}/f${size}`, Buffer.alloc(size, size));
    }
    await writeFile(
      `${root}/DEBIAN/control`,
      "Package: sample\nVersion: 1.0-1\nArchitecture: amd64\nMaintainer: T <t@example.org>\nDescription: x\n",
    );
    const path = join(directory, "built.deb");
    execFileSync("dpkg-deb", ["--build", "--root-owner-group", "-Zxz", root, path]);
    const one = await open(await readFile(path));
    for (const size of sizes) {
      const entry = one.tree.get(`/usr/share/sample/${"long".repeat(40)}/f${size}`);
      expect(entry).toMatchObject({
        type: "file",
        content: { size, digest: `sha256:${sha256Hex(Buffer.alloc(size, size))}` },
      });
    }
  });

  it("is unpacked once; after that the archive is not needed", async () => {
    const deb = buildDeb({ data, control });
    const first = await open(deb);
    await rm(join(directory, "sample.deb"));
    const again = await openPackage("/nowhere.deb", recordOf(deb), join(directory, "cache"), quietWork);
    expect([...again.tree.entries()].length).toBe([...first.tree.entries()].length);
  });

  it("is unpacked anew when the cache is damaged", async () => {
    const deb = buildDeb({ data, control });
    await open(deb);
    const folder = join(directory, "cache", "debian", "unpacked", sha256Hex(deb).slice(0, 2));
    const [name = ""] = await readdir(folder);
    const bytes = await readFile(join(folder, name));
    for (const damage of [
      bytes.subarray(0, -200),
      bytes.subarray(0, 40),
      Buffer.alloc(0),
      flip(bytes, bytes.length - 300),
    ]) {
      await writeFile(join(folder, name), damage);
      expect((await open(deb)).tree.has("/usr/bin/tool")).toBe(true);
    }
  });
});

function flip(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x10;
  return copy;
}

describe("a damaged package", () => {
  const deb = buildDeb({ data, control });

  it("is refused wherever a bit is flipped, and nothing stays", async () => {
    for (const at of [0, 70, 200, deb.length >> 1, deb.length - 20]) {
      const path = join(directory, "flipped.deb");
      await writeFile(path, flip(deb, at));
      await expect(openPackage(path, recordOf(deb), join(directory, "cache"), quietWork)).rejects.toEqual(
        code("ARCHIVE_UNTRUSTED"),
      );
    }
    expect(await readdir(join(directory, "cache", "debian")).catch(() => [])).toEqual([]);
  });

  it("is an error wherever it is cut, even if its digest were right", async () => {
    for (let at = 0; at < deb.length - 1; at += 97) {
      await expect(open(deb.subarray(0, at))).rejects.toEqual(code("ARCHIVE_CORRUPT"));
    }
  });

  it("never makes its reader fail in another way than as an archive", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(deb.length - 1), fc.nat(255), async (at, value) => {
        const changed = Buffer.from(deb);
        changed[at] = value;
        const failure = await open(changed).then(
          () => undefined,
          (error: unknown) => error,
        );
        if (failure !== undefined) {
          expect(failure).toBeInstanceOf(WhittleError);
          expect(["ARCHIVE_CORRUPT", "ARCHIVE_HOSTILE"]).toContain((failure as WhittleError).code);
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each<[string, Buffer]>([
    ["not an ar archive", Buffer.from("PK\x03\x04 a zip, perhaps")],
    ["without members", rawAr([])],
    ["of another format", rawAr([["debian-binary", Buffer.from("3.0\n")]])],
    [
      "without a data archive",
      rawAr([
        ["debian-binary", Buffer.from("2.0\n")],
        ["control.tar", rawTar([])],
      ]),
    ],
    [
      "of an unknown compression",
      rawAr([
        ["debian-binary", Buffer.from("2.0\n")],
        ["control.tar.lzma", Buffer.alloc(9)],
        ["data.tar.lzma", Buffer.alloc(9)],
      ]),
    ],
    [
      "of endless members",
      rawAr(Array.from({ length: 50 }, (_, at) => [`_m${at}`, Buffer.from("x")] as const)),
    ],
    [
      "without a control file",
      rawAr([
        ["debian-binary", Buffer.from("2.0\n")],
        ["control.tar", rawTar([])],
        ["data.tar", rawTar([])],
      ]),
    ],
  ])("that is %s is refused", async (_what, bytes) => {
    await expect(open(bytes)).rejects.toEqual(code("ARCHIVE_CORRUPT"));
  });

  it("may carry members of others between its own", async () => {
    const [version, ...parts] = await readAr(bytesContent(deb), "sample");
    const part = (member: { start: number; end: number }) => deb.subarray(member.start, member.end);
    const signed = rawAr([
      ["debian-binary", part(version!)],
      ["_gpgorigin", Buffer.from("signature")],
      ...parts.map((member) => [`${member.name}/`, part(member)] as const),
    ]);
    expect(await openDeb(bytesContent(signed), "sample")).toMatchObject({
      control: { start: expect.any(Number) },
    });
  });
});

describe("a hostile package", () => {
  it.each<[string, RawMember[]]>([
    ["an absolute name", [{ name: "/etc/shadow", body: "x" }]],
    ["a name with ..", [{ name: "./usr/../../etc/shadow", body: "x" }]],
    ["a hard link out of the root", [{ name: "./passwd", type: "1", link: "../../etc/passwd" }]],
    ["an absolute hard link", [{ name: "./passwd", type: "1", link: "/etc/passwd" }]],
    ["a hard link to what is not there", [{ name: "./passwd", type: "1", link: "./etc/passwd" }]],
    [
      "a file behind its own link",
      [
        { name: "./out", type: "2", link: "/etc" },
        { name: "./out/shadow", body: "x" },
      ],
    ],
    ["a character device", [{ name: "./mem", type: "3" }]],
    ["a block device", [{ name: "./disk", type: "4" }]],
  ])("with %s is refused", async (_what, members) => {
    await expect(open(buildDeb({ data: members }))).rejects.toEqual(code("ARCHIVE_HOSTILE"));
    expect(await readdir(join(directory, "cache", "debian", "unpacked")).catch(() => [])).not.toContain(
      "sample",
    );
  });

  it("with a header that claims more than there is, is refused", async () => {
    const members = [{ name: "./big", body: "little", size: 7 * 1024 ** 3 }];
    await expect(open(buildDeb({ data: members }))).rejects.toEqual(code("ARCHIVE_CORRUPT"));
    const longName = [{ name: "././@LongLink", type: "L", size: 6 * 1024 ** 3, body: "x" }];
    await expect(open(buildDeb({ data: longName }))).rejects.toBeInstanceOf(WhittleError);
  });

  it("that unpacks to far more than its index says is stopped", async () => {
    const zeros = Buffer.alloc(1 << 20);
    const bomb = buildDeb({
      data: [{ name: "./bomb", size: 400 << 20 }],
      // 400 MiB of nothing, compressed as it comes.
      compress: (tar) =>
        tar.includes("bomb") ? zstdZeros(tar.subarray(0, 512), zeros, 400) : zstdCompressSync(tar),
      suffix: ".zst",
    });
    expect(bomb.length).toBeLessThan(1 << 20);
    await expect(open(bomb)).rejects.toEqual(code("ARCHIVE_HOSTILE"));
  });
});

/** Frames of zstd one after the other are one stream (RFC 8878). */
function zstdZeros(head: Buffer, zeros: Buffer, count: number): Buffer {
  const frame = zstdCompressSync(zeros);
  return Buffer.concat([zstdCompressSync(head), ...Array.from({ length: count }, () => frame)]);
}
