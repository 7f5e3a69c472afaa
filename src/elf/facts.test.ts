import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ElfPlan, elfBytes } from "../../test/elf-fixture.ts";
import { bytesContent, type Content, sha256 } from "../io/index.ts";
import { attributes, type Tree, treeOf } from "../tree/index.ts";
import { type ElfFile, elfFactsOf, readElf, recallElfFacts } from "./index.ts";

const plan: ElfPlan = {
  interpreter: "/lib64/ld-linux-x86-64.so.2",
  needed: ["libz.so.1", "libc.so.6"],
  soname: "libfull.so.3",
  runpath: "$ORIGIN/../lib",
  imports: ["dlopen", "printf"],
  versionsNeeded: { "libc.so.6": ["GLIBC_2.34"] },
  versions: ["libfull.so.3", "FULL_1"],
  note: '[{"soname":["liblz4.so.1"],"feature":"lz4","priority":"suggested"}]',
  rodata: "x\0libdlopened.so.2\0",
  sections: true,
};
const bytes = elfBytes(plan);

function treeWith(contents: Readonly<Record<string, Content>>): Tree {
  return treeOf(
    Object.entries(contents).map(([path, content]) => [
      path,
      { type: "file", ...attributes(0o755), content },
    ]),
  );
}

/** Content whose bytes nobody may look at. */
function closed(size: number, digest = sha256(bytes)): Content {
  return {
    size,
    digest,
    open() {
      throw new Error("the file was read");
    },
  };
}

function read(tree: Tree, path = "/bin/x"): Promise<ElfFile | undefined> {
  const entry = tree.get(path);
  if (entry?.type !== "file") throw new Error(`no file ${path}`);
  return readElf(entry.content);
}

async function answers(elf: ElfFile | undefined): Promise<unknown> {
  if (elf === undefined) return undefined;
  const { bits, order, machine, flags, type, hasDynamic, isStatic, soname, needed, auxiliary, filters } = elf;
  const { rpath, runpath, noDefaultLibraries, interpreter } = elf;
  const base = {
    bits,
    order,
    machine,
    flags,
    type,
    hasDynamic,
    isStatic,
    soname,
    needed,
    auxiliary,
    filters,
  };
  return {
    ...base,
    paths: { rpath, runpath, noDefaultLibraries, interpreter },
    imports: [...(await elf.imports())],
    opens: await elf.mentionsDlopen(),
    wanted: await elf.versionsNeeded(),
    defined: await elf.versionsDefined(),
    notes: await elf.dlopenNotes(),
    strings: await elf.rodataSonames(),
    derived: await elf.derive("sum", async () => ({ sum: (await elf.readOnlyData(1e6)).length })),
  };
}

const asKept = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("what is known of ELF files", () => {
  it("answers like the files, which are not read again", async () => {
    const fresh = treeWith({
      "/bin/x": bytesContent(bytes, sha256(bytes)),
      "/etc/x": bytesContent("text", sha256("text")),
    });
    const expected = await answers(await read(fresh));
    expect(await read(fresh, "/etc/x")).toBeUndefined();
    const kept = asKept(await elfFactsOf(fresh));
    const again = treeWith({ "/bin/x": closed(bytes.length), "/etc/x": closed(4, sha256("text")) });
    expect(recallElfFacts(again, kept)).toEqual(kept);
    expect(await answers(await read(again))).toEqual(expected);
    expect(await read(again, "/etc/x")).toBeUndefined();
  });

  it("is added to when more is asked, and then only", async () => {
    const content = (): Content => bytesContent(bytes, sha256(bytes));
    const first = treeWith({ "/bin/x": content() });
    expect(await elfFactsOf(first)).toBeUndefined();
    await (await read(first))?.imports();
    const kept = asKept(await elfFactsOf(first));
    const second = treeWith({ "/bin/x": content(), "/bin/y": bytesContent("text", sha256("text")) });
    const before = recallElfFacts(second, kept);
    await (await read(second))?.imports();
    expect(await elfFactsOf(second, before)).toBeUndefined();
    expect(await (await read(second))?.versionsDefined()).toEqual(plan.versions);
    await read(second, "/bin/y");
    const more = asKept(await elfFactsOf(second, before));
    expect(more).toMatchObject([
      ["/bin/x", sha256(bytes), { more: { imports: plan.imports, definitions: plan.versions } }],
      ["/bin/y", sha256("text"), null],
    ]);
  });

  it("stays known of files that nobody asked for this time", async () => {
    const before = [["/bin/z", sha256("z"), null]] as const;
    const tree = treeWith({ "/bin/x": bytesContent(bytes, sha256(bytes)) });
    await read(tree);
    expect((await elfFactsOf(tree, before))?.map(([path]) => path)).toEqual(["/bin/z", "/bin/x"]);
  });

  it("is not believed of other bytes, nor of bytes without a digest", async () => {
    const tree = treeWith({ "/bin/x": bytesContent(bytes, sha256(bytes)) });
    await read(tree);
    const kept = asKept(await elfFactsOf(tree));
    const other = elfBytes({ ...plan, needed: ["libother.so.1"] });
    for (const content of [bytesContent(other, sha256(other)), bytesContent(other)]) {
      const changed = treeWith({ "/bin/x": content });
      expect(recallElfFacts(changed, kept)).toEqual([]);
      expect((await read(changed))?.needed).toEqual(["libother.so.1"]);
      expect(recallElfFacts(treeWith({ "/bin/y": content }), kept)).toEqual([]);
    }
  });

  it("is nothing of what has another form", async () => {
    const tree = treeWith({ "/bin/x": bytesContent(bytes, sha256(bytes)) });
    const forms: unknown[] = [
      undefined,
      {},
      [["/bin/x", sha256(bytes)]],
      [["/bin/x", "sha256:5", null]],
      [["/bin/x", sha256(bytes), {}]],
      [["/bin/x", sha256(bytes), { machine: { bits: 64 }, type: "3", more: {} }]],
      [["/bin/x", sha256(bytes), { machine: { bits: 64 }, type: 3, dynamic: 1, more: {} }]],
      [["/bin/x", sha256(bytes), { machine: { bits: 64 }, type: 3, interpreter: 1, more: {} }]],
      [["/bin/x", sha256(bytes), { machine: { bits: 64 }, type: 3, more: [] }]],
    ];
    for (const form of forms) expect(recallElfFacts(tree, form)).toEqual([]);
    fc.assert(fc.property(fc.jsonValue(), (value) => void expect(recallElfFacts(tree, value)).toEqual([])));
    expect((await read(tree))?.needed).toEqual(plan.needed);
  });
});
