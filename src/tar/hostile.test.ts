import { describe, expect, it } from "vitest";
import { bytesContent } from "../io/index.ts";
import { attributes, treeOf } from "../tree/index.ts";
import { encodeHeader } from "./encode.ts";
import { type IndexedMember, indexTar, readTar, treeOfMembers, treeOfTar } from "./index.ts";
import { formatPax, parsePax } from "./pax.ts";

/** A header block with fields of one's own; the checksum is made to hold. */
function block(fields: Record<number, string>): Buffer {
  const header = Buffer.from(
    encodeHeader({ name: "x", entry: { ...attributes(0o644), type: "file", content: bytesContent("") } }),
  );
  for (const [at, text] of Object.entries(fields)) header.write(text, Number(at), "latin1");
  header.write("        ", 148, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

const flagAt = 156;
const sizeAt = 124;
const end = Buffer.alloc(1024);

function octal(value: number): string {
  return value.toString(8).padStart(11, "0");
}

function pax(records: [string, string][], type = "x"): Buffer {
  const data = formatPax(records);
  const body = Buffer.alloc(Math.ceil(data.length / 512) * 512);
  body.set(data);
  return Buffer.concat([block({ [flagAt]: type, [sizeAt]: octal(data.length) }), body]);
}

function archive(...parts: Uint8Array[]): Buffer {
  return Buffer.concat([...parts, end]);
}

async function refusal(data: Buffer, limits = {}): Promise<string> {
  const code = (error: unknown): string => (error as { code?: string }).code ?? String(error);
  const indexed = await indexTar(bytesContent(data), { limits })
    .then((members) => {
      treeOfMembers(members);
      return "accepted";
    })
    .catch(code);
  const stream = async (): Promise<string> => {
    const members: IndexedMember[] = [];
    async function* once(): AsyncGenerator<Uint8Array> {
      yield data;
    }
    for await (const { body: _, ...header } of readTar(once(), { limits })) {
      members.push({ ...header, content: bytesContent("") });
    }
    treeOfMembers(members);
    return "accepted";
  };
  expect(await stream().catch(code)).toBe(indexed);
  return indexed;
}

describe("an archive that asks for too much", () => {
  it("may not have an extended header above 1 MiB, whatever it claims", async () => {
    for (const type of ["x", "g", "L", "K"]) {
      expect(await refusal(archive(block({ [flagAt]: type, [sizeAt]: octal(1024 * 1024 + 1) })))).toBe(
        "ARCHIVE_HOSTILE",
      );
      expect(await refusal(archive(block({ [flagAt]: type, [sizeAt]: "77777777777" })))).toBe(
        "ARCHIVE_HOSTILE",
      );
    }
  });

  it("may not have more members than the limit", async () => {
    const members = Array.from({ length: 11 }, (_, i) => block({ 0: `f${i}` }));
    expect(await refusal(archive(...members), { members: 10 })).toBe("ARCHIVE_HOSTILE");
    expect(await refusal(archive(...members), { members: 11 })).toBe("accepted");
  });

  it("may not have a sparse file beyond the limit", async () => {
    const sparse: [string, string][] = [
      ["GNU.sparse.size", String(2 ** 50)],
      ["GNU.sparse.map", ""],
    ];
    expect(await refusal(archive(pax(sparse), block({})))).toBe("ARCHIVE_HOSTILE");
  });

  it("may not have an endless sparse map", async () => {
    const map = Buffer.alloc(2 * 1024 * 1024, "1\n");
    map.write("9999999999\n");
    const header = pax([
      ["GNU.sparse.major", "1"],
      ["GNU.sparse.minor", "0"],
      ["GNU.sparse.realsize", "10"],
    ]);
    expect(await refusal(archive(header, block({ [sizeAt]: octal(map.length) }), map))).toBe(
      "ARCHIVE_HOSTILE",
    );
  });

  it("may not have names beyond what Linux allows", async () => {
    for (const name of ["n".repeat(256), "d/".repeat(3000)]) {
      expect(await refusal(archive(pax([["path", name]]), block({})))).toBe("ARCHIVE_HOSTILE");
    }
  });

  it("may not grow paths through links without end", async () => {
    const deep = "d/".repeat(1900);
    const members: Buffer[] = [];
    for (let i = 0; i < 5; i++) {
      members.push(pax([["path", `l${i}/${deep}l`]]), block({ [flagAt]: "5" }));
      members.push(pax([["linkpath", `l${i}/${deep}l`]]), block({ 0: `l${i + 1}`, [flagAt]: "2" }));
    }
    expect(await refusal(archive(...members))).toBe("ARCHIVE_HOSTILE");
  });

  it("may not lead through links in a circle", async () => {
    const loop = [block({ 0: "a", 157: "b", [flagAt]: "2" }), block({ 0: "b", 157: "a", [flagAt]: "2" })];
    expect(await refusal(archive(...loop, block({ 0: "a/file" })))).toBe("ARCHIVE_HOSTILE");
  });
});

describe("an archive that says two things", () => {
  it("is read by the size of its PAX header, as every reader that knows PAX does", async () => {
    const body = Buffer.alloc(512);
    body.write("hidden");
    const data = archive(
      pax([["size", "6"]]),
      block({ 0: "f", [sizeAt]: octal(0) }),
      body,
      block({ 0: "g" }),
    );
    const members = await indexTar(bytesContent(data));
    expect(members.map(({ name, size }) => [name, size])).toEqual([
      ["f", 6],
      ["g", 0],
    ]);
  });

  it("has no body where the type has none", async () => {
    const data = archive(
      block({ 0: "link", 157: "t", [flagAt]: "2", [sizeAt]: octal(512) }),
      block({ 0: "g" }),
    );
    expect((await indexTar(bytesContent(data))).map(({ name, size }) => [name, size])).toEqual([
      ["link", 0],
      ["g", 0],
    ]);
  });

  it.each([
    ["a PAX path with a NUL", pax([["path", "a\0b"]])],
    ["a PAX size that is no number", pax([["size", "-1"]])],
    ["a PAX size beyond 2^53", pax([["size", "99999999999999999999"]])],
    ["a PAX time that is no time", pax([["mtime", "1e9"]])],
    ["a PAX owner beyond 32 bits", pax([["uid", "4294967296"]])],
  ])("is refused for %s", async (_name, header) => {
    expect(await refusal(archive(header, block({})))).toBe("ARCHIVE_CORRUPT");
  });

  it("is refused for an unknown type, a lone zero block, and a checksum that does not hold", async () => {
    expect(await refusal(archive(block({ [flagAt]: "Q" })))).toBe("ARCHIVE_CORRUPT");
    expect(await refusal(Buffer.concat([Buffer.alloc(512), block({}), end]))).toBe("ARCHIVE_CORRUPT");
    const bent = block({});
    bent[0] = 0x41;
    expect(await refusal(archive(bent))).toBe("ARCHIVE_CORRUPT");
  });

  it("is refused for sparse maps that overlap, go backwards, pass the end or do not add up", async () => {
    for (const map of ["0,10,5,10", "10,5,0,5", "0,100", "0,1", "0", "a,b", "0,-1"]) {
      const header = pax([
        ["GNU.sparse.size", "50"],
        ["GNU.sparse.map", map],
      ]);
      expect(await refusal(archive(header, block({ [sizeAt]: octal(20) }), Buffer.alloc(512)))).toBe(
        "ARCHIVE_CORRUPT",
      );
    }
  });
});

describe("names that lead elsewhere", () => {
  it("stay inside: absolute names lose their slash, links are followed inside the tree", async () => {
    const tree = await treeOfTar(
      bytesContent(
        archive(
          block({ 0: "/etc/" }),
          block({ 0: "out", 157: "/etc", [flagAt]: "2" }),
          block({ 0: "up", 157: "../../../..", [flagAt]: "2" }),
          block({ 0: "out/inside" }),
          block({ 0: "up/top" }),
        ),
      ),
    );
    expect([...tree.entries()].map(([path]) => path)).toEqual(["/etc", "/etc/inside", "/out", "/top", "/up"]);
  });

  it("are refused when they hold ..", async () => {
    for (const name of ["../x", "a/../../x", "/..", "a/.."]) {
      expect(await refusal(archive(block({ 0: `${name}\0` })))).toBe("ARCHIVE_HOSTILE");
    }
  });

  it("may not replace the top by something else", async () => {
    for (const type of ["0", "2", "6"])
      expect(await refusal(archive(block({ 0: "./\0", [flagAt]: type })))).toBe("ARCHIVE_HOSTILE");
  });

  it("need a target where they are hard links", async () => {
    for (const target of ["gone", "../../etc/passwd", "/"]) {
      expect(await refusal(archive(block({ 0: "h", 157: target, [flagAt]: "1" })))).toBe("ARCHIVE_CORRUPT");
    }
  });

  it("share one identity, also with a file of the lower tree", async () => {
    const file = { ...attributes(0o600), type: "file" as const, content: bytesContent("lower") };
    const tree = await treeOfTar(bytesContent(archive(block({ 0: "h", 157: "f", [flagAt]: "1" }))), {
      lower: treeOf([["/f", file]]),
    });
    const [f, h] = [tree.get("/f"), tree.get("/h")];
    expect(f).toBe(h);
    expect(f).toMatchObject({ inode: { names: "several" } });
  });
});

describe("PAX records", () => {
  it("count their own length (pax: a record's length includes itself)", () => {
    expect(formatPax([["a", "b"]]).toString()).toBe("6 a=b\n");
    // 9 digits and more: the length of the length changes the length.
    for (const size of [1, 2, 3, 90, 91, 92, 93, 94, 988, 989, 990, 991, 992, 993, 9986, 9987]) {
      const [[key, value]] = [...parsePax(formatPax([["path", "v".repeat(size)]]), 0)] as [[string, Buffer]];
      expect([key, value.length]).toEqual(["path", size]);
    }
  });

  it.each(["", "5 a=b\n", "7 a=b\n", "6 a=b ", "x a=b\n", "6 ab=\n ", "3 =\n", "99999999999999 a=b\n"])(
    "are refused when malformed: %j",
    (text) => {
      if (text === "") expect(parsePax(Buffer.alloc(0), 0).size).toBe(0);
      else expect(() => parsePax(Buffer.from(text), 0)).toThrow(/PAX/);
    },
  );
});
