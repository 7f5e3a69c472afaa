import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { trees } from "../../test/arbitrary-tree.ts";
import { bytesContent, fileContent, readContent } from "../io/index.ts";
import { attributes, type Entry, type Tree, treeOf } from "../tree/index.ts";
import { readTar, treeOfTar, writeTar } from "./index.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "whittle-tar-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function tarFile(tree: Tree, name = "ours.tar"): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeTar(tree.entries())) chunks.push(chunk);
  const path = join(directory, name);
  writeFileSync(path, Buffer.concat(chunks));
  return path;
}

function treeOfFile(path: string): Promise<Tree> {
  return treeOfTar(fileContent(path, statSync(path).size));
}

const python = `
import sys, tarfile, json, hashlib
all = []
for path in sys.argv[1:]:
  out = []
  all.append(out)
  tar = tarfile.open(path, errors="surrogateescape")
  for m in tar:
    x = {k[13:]: v.encode("utf-8", "surrogateescape").hex() for k, v in m.pax_headers.items() if k.startswith("SCHILY.xattr.")}
    data = tar.extractfile(m).read() if m.isreg() else b""
    out.append([m.name.encode("utf-8", "surrogateescape").hex(), m.type.decode(), m.mode, m.uid, m.gid, float(m.mtime), m.size if m.isreg() else 0,
      m.linkname.encode("utf-8", "surrogateescape").hex(), m.devmajor, m.devminor, m.uname, m.gname, sorted(x), hashlib.sha256(data).hexdigest()])
print(json.dumps(all))
`;

describe("what is written", () => {
  it("is read alike by Python's tarfile", async () => {
    const samples = fc.sample(trees, { numRuns: 60, seed: 1 });
    const archives = await Promise.all(samples.map((tree, i) => tarFile(tree, `ours-${i}.tar`)));
    const theirs = JSON.parse(
      execFileSync("python3", ["-c", python, ...archives], { encoding: "utf8" }),
    ) as unknown[];
    for (const [i, path] of archives.entries()) {
      const ours: unknown[][] = [];
      for await (const member of readTar(fileContent(path, statSync(path).size).open())) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of member.body) chunks.push(Buffer.from(chunk));
        const flag = {
          file: "0",
          hardlink: "1",
          symlink: "2",
          character: "3",
          block: "4",
          directory: "5",
          fifo: "6",
        };
        ours.push([
          hexOf(member.name.replace(/\/$/, "")),
          flag[member.type],
          member.mode,
          member.uid,
          member.gid,
          member.mtime,
          member.size,
          hexOf(member.linkName),
          member.major,
          member.minor,
          "",
          "",
          [...(member.xattrs?.keys() ?? [])].sort(),
          createHash("sha256").update(Buffer.concat(chunks)).digest("hex"),
        ]);
      }
      expect(theirs[i]).toEqual(ours);
    }
  });

  it("is listed by GNU tar without complaint, long names and large owners included", async () => {
    const long = `/${"d".repeat(90)}/${"e".repeat(90)}/${"f".repeat(200)}`;
    const file: Entry = {
      ...attributes(0o4755, { uid: 3_000_000, gid: 7 }),
      type: "file",
      content: bytesContent("x"),
    };
    const path = await tarFile(treeOf([[long, file]]));
    const listing = execFileSync("tar", ["--numeric-owner", "-tvf", path], { encoding: "utf8" });
    expect(listing.trim().split("\n").at(-1)).toMatch(
      new RegExp(`^-rwsr-xr-x 3000000/7 +1 1970-01-01 00:00 ${long.slice(1)}$`),
    );
  });
});

function hexOf(name: string): string {
  const bytes: number[] = [];
  for (const character of name) {
    const code = character.codePointAt(0) ?? 0;
    if (code >= 0xdc80 && code <= 0xdcff) bytes.push(code - 0xdc00);
    else bytes.push(...Buffer.from(character));
  }
  return Buffer.from(bytes).toString("hex");
}

/** Makes a file of 1 MB with data in 60 places and holes between them; gives its bytes. */
function sparseFile(): Buffer {
  const bytes = Buffer.alloc(60 * 16384 + 5000);
  for (let i = 0; i < 60; i++) bytes.fill(65 + (i % 26), i * 16384, i * 16384 + 3000);
  const file = openSync(join(directory, "sparse"), "w");
  ftruncateSync(file, bytes.length);
  for (let i = 0; i < 60; i++) writeSync(file, bytes, i * 16384, 3000, i * 16384);
  closeSync(file);
  return bytes;
}

describe("what GNU tar writes", () => {
  const forms: [string, string[]][] = [
    ["gnu", ["--format=gnu"]],
    ["pax 0.0", ["--format=posix", "--sparse-version=0.0"]],
    ["pax 0.1", ["--format=posix", "--sparse-version=0.1"]],
    ["pax 1.0", ["--format=posix", "--sparse-version=1.0"]],
  ];
  it.each(forms)("reads sparse files of the form %s", async (_name, form) => {
    const bytes = sparseFile();
    const archive = join(directory, "theirs.tar");
    writeFileSync(join(directory, "after"), "after");
    execFileSync("tar", [
      "-cf",
      archive,
      ...form,
      "--sparse",
      "--hole-detection=raw",
      "-C",
      directory,
      "sparse",
      "after",
    ]);
    expect(statSync(archive).size).toBeLessThan(bytes.length / 2);
    const tree = await treeOfFile(archive);
    const entry = tree.get("/sparse");
    expect(entry?.type).toBe("file");
    if (entry?.type !== "file") return;
    expect(entry.content.size).toBe(bytes.length);
    expect((await readContent(entry.content)).equals(bytes)).toBe(true);
    for (const [start, end] of [
      [0, 1],
      [2999, 3001],
      [16_000, 50_000],
      [bytes.length - 1, bytes.length + 9],
    ] as const) {
      expect((await readContent(entry.content, { start, end })).equals(bytes.subarray(start, end))).toBe(
        true,
      );
    }
    expect(tree.get("/after")?.type).toBe("file");
    for await (const member of readTar(fileContent(archive, statSync(archive).size).open())) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of member.body) chunks.push(Buffer.from(chunk));
      if (member.name === "sparse") expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
    }
    // Written by us, the file is whole.
    expect((await treeOfFile(await tarFile(tree, "again.tar"))).get("/sparse")).toMatchObject({
      content: { size: bytes.length },
    });
  });

  it.each(["v7", "oldgnu", "gnu", "ustar", "posix"])("reads the format %s", async (format) => {
    const source = mkdtempSync(join(directory, "source-"));
    execFileSync(
      "sh",
      [
        "-c",
        "mkdir -p a/b; echo hello > a/b/c; ln a/b/c a/hard; ln -s ../x a/soft; mkfifo a/pipe; chmod 4750 a/b/c",
        "sh",
      ],
      {
        cwd: source,
      },
    );
    const archive = join(directory, "theirs.tar");
    const kept = format === "v7" ? ["a/b", "a/soft"] : ["a"];
    execFileSync(
      "tar",
      ["-cf", archive, `--format=${format}`, "--mtime=@1234567890", "--owner=5:5", "--group=6:6", ...kept],
      {
        cwd: source,
      },
    );
    const tree = await treeOfFile(archive);
    expect(tree.get("/a/b/c")).toMatchObject({
      type: "file",
      mode: 0o4750,
      uid: 5,
      gid: 6,
      mtime: 1_234_567_890,
    });
    expect(tree.get("/a/soft")).toMatchObject({ type: "symlink", target: "../x" });
    if (format === "v7") return;
    const [c, hard] = [tree.get("/a/b/c"), tree.get("/a/hard")];
    expect(
      c?.type === "file" && hard?.type === "file" && c.inode !== undefined && c.inode === hard.inode,
    ).toBe(true);
    expect(tree.get("/a/pipe")?.type).toBe("fifo");
  });

  it.each(["gnu", "posix"])("reads names and links of 300 characters in the format %s", async (format) => {
    const source = mkdtempSync(join(directory, "source-"));
    const long = `${"n".repeat(150)}/${"m".repeat(150)}`;
    execFileSync("sh", ["-c", `mkdir ${"n".repeat(150)}; echo x > ${long}; ln -s ${long} link`], {
      cwd: source,
    });
    const archive = join(directory, "theirs.tar");
    execFileSync("tar", ["-cf", archive, `--format=${format}`, "."], { cwd: source });
    const tree = await treeOfFile(archive);
    expect(tree.get(`/${long}`)?.type).toBe("file");
    expect(tree.get("/link")).toMatchObject({ target: long });
  });
});
