import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesContent, WhittleError } from "../io/index.ts";
import { attributes, type Entry, parentOf, Tree, type TreePath, treeOf } from "../tree/index.ts";
import { carve } from "./carve.ts";
import type { Evidence } from "./need.ts";
import { Reasons } from "./reasons.ts";

const file = (text = "", mode = 0o644): Entry => ({
  type: "file",
  ...attributes(mode),
  content: bytesContent(text),
});
const link = (target: string): Entry => ({ type: "symlink", ...attributes(0o777), target });
const directory: Entry = { type: "directory", ...attributes(0o755) };

/** A collector for tests: each line of a file names a path that it needs. */
const lines: Evidence = {
  name: "lines",
  async *needs(path, { tree }) {
    const entry = tree.get(path);
    if (entry?.type !== "file") return;
    let text = "";
    for await (const chunk of entry.content.open()) text += Buffer.from(chunk).toString("utf8");
    for (const line of text.split("\n").filter((name) => name.startsWith("/"))) {
      yield { path: line, how: { kind: "opened", run: "test" }, missing: "report" };
    }
  },
};

const paths = (tree: Tree): TreePath[] => [...tree.entries()].map(([path]) => path);

describe("carve", () => {
  const tree = treeOf([
    ["/bin", link("usr/bin")],
    ["/usr/bin/app", file("/lib64/ld.so\n/etc/app.conf", 0o755)],
    ["/usr/bin/other", file("", 0o755)],
    ["/lib64", link("usr/lib")],
    ["/usr/lib/ld.so", link("ld-2.so")],
    ["/usr/lib/ld-2.so", file()],
    ["/etc/app.conf", link("/etc/alternatives/app")],
    ["/etc/alternatives/app", link("../app.real")],
    ["/etc/app.real", file()],
    ["/var/log/app.log", link("/dev/stdout")],
  ]);

  it("keeps what the roots reach, the links followed and the directories above", async () => {
    const carved = await carve(tree, [{ path: "/bin/app" }], [lines]);
    expect(paths(carved.tree)).toEqual([
      "/bin",
      "/etc",
      "/etc/alternatives",
      "/etc/alternatives/app",
      "/etc/app.conf",
      "/etc/app.real",
      "/lib64",
      "/usr",
      "/usr/bin",
      "/usr/bin/app",
      "/usr/lib",
      "/usr/lib/ld-2.so",
      "/usr/lib/ld.so",
    ]);
    expect(carved.missing).toEqual([]);
    expect(carved.reasons.paths()).toEqual(paths(carved.tree));
  });

  it("explains a path by its shortest chain, from the person's word on", async () => {
    const { reasons } = await carve(tree, [{ path: "/bin/app" }], [lines]);
    expect(reasons.chain("/lib64")).toEqual([
      { from: undefined, to: "/usr/bin/app", how: { kind: "named", by: "root" } },
      { from: "/usr/bin/app", to: "/usr/lib/ld-2.so", how: { kind: "opened", run: "test" } },
      { from: "/usr/lib/ld-2.so", to: "/lib64", how: { kind: "link" } },
    ]);
    expect(reasons.chain("/usr/bin/other")).toEqual([]);
    expect(reasons.dropped("/usr/bin/other")).toEqual({ type: "file", size: 0 });
    expect(reasons.dropped("/nowhere")).toBeUndefined();
  });

  it("reports what is missing and who needs it", async () => {
    const broken = treeOf([["/a", file("/b")]]);
    const { missing } = await carve(broken, [{ path: "/a" }], [lines]);
    expect(missing).toEqual([{ from: "/a", path: "/b", how: { kind: "opened", run: "test" } }]);
  });

  it("keeps a link into what only a running container has", async () => {
    const { tree: kept, missing } = await carve(tree, [{ glob: "/var/log/*.log" }], [lines]);
    expect(paths(kept)).toEqual(["/var", "/var/log", "/var/log/app.log"]);
    expect(missing).toEqual([]);
  });

  it("keeps what patterns match without what others take out, unless something needs that", async () => {
    const library = treeOf([
      ["/lib/a/one", file("/lib/a/tests/data")],
      ["/lib/a/two", file()],
      ["/lib/a/tests/data", file()],
      ["/lib/a/tests/run", file("/nowhere")],
    ]);
    const keep = ["/lib/**", "!/lib/a/t*", "!/lib/none"];
    const { tree: kept, missing } = await carve(library, [], [lines], { keep });
    expect(paths(kept)).toEqual(["/lib", "/lib/a", "/lib/a/one", "/lib/a/tests", "/lib/a/tests/data"]);
    expect(missing).toEqual([]);
  });

  it("looks a command up in PATH and keeps the paths among its words", async () => {
    const { reasons } = await carve(
      tree,
      [{ command: ["app", "-c", "/etc/app.conf", "--x=/usr/bin/other"], by: "config" }],
      [],
    );
    expect(reasons.chain("/etc/app.real")[0]?.how).toMatchObject({ kind: "named", by: "config" });
    expect(reasons.paths()).toContain("/usr/bin/other");
  });

  it("keeps all of a directory that was named, empty ones too", async () => {
    const spool = treeOf([
      ["/var/spool/in", directory],
      ["/var/spool/x/y", file()],
      ["/z", file()],
    ]);
    const { tree: kept } = await carve(spool, [{ path: "/var/spool", by: "keep" }], []);
    expect(paths(kept)).toEqual(["/var", "/var/spool", "/var/spool/in", "/var/spool/x", "/var/spool/x/y"]);
  });

  it.each([
    [{ path: "/usr/bin/ap" }, /did you mean \/usr\/bin\/app/],
    [{ path: "/sbin/app" }, /app is at .*\/usr\/bin\/app/],
    [{ command: ["nginx"] }, /packages/],
    [{ glob: "/etc/*.xml" }, /packages/],
  ])("refuses the root %j that is not there, with a hint", async (root, hint) => {
    const error = await carve(tree, [root], []).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(WhittleError);
    expect((error as WhittleError).code).toBe("ROOT_MISSING");
    expect((error as WhittleError).hint).toMatch(hint);
  });
});

const names = ["a", "b", "c", "d"];
const anyPath = fc
  .array(fc.constantFrom(...names), { minLength: 1, maxLength: 4 })
  .map((parts) => `/${parts.join("/")}`);
const anyEntry = fc.oneof(
  fc.array(anyPath, { maxLength: 3 }).map((needs) => file(needs.join("\n"))),
  anyPath.map(link),
  fc.tuple(fc.constantFrom("..", "."), fc.constantFrom(...names)).map(([up, name]) => link(`${up}/${name}`)),
  fc.constant(directory),
);
const anyTree = fc.array(fc.tuple(anyPath, anyEntry), { maxLength: 25 }).map(treeOf);
const choose = (tree: Tree, seeds: readonly number[]): { path: TreePath }[] => {
  const all = paths(tree).filter((path) => tree.resolve(path).entry !== undefined);
  return all.length === 0 ? [] : seeds.map((seed) => ({ path: all[seed % all.length] ?? "/" }));
};
const seeds = fc.array(fc.nat(1000), { maxLength: 4 });

describe("carve, on any tree", () => {
  it("gives every kept path a chain that starts with the person's word", () =>
    fc.assert(
      fc.asyncProperty(anyTree, seeds, async (tree, numbers) => {
        const { tree: kept, reasons } = await carve(tree, choose(tree, numbers), [lines]);
        expect(reasons.paths()).toEqual(paths(kept));
        for (const path of paths(kept)) {
          const chain = reasons.chain(path);
          expect(chain[0]?.from).toBeUndefined();
          expect(chain[0]?.how.kind).toBe("named");
          expect(chain.at(-1)?.to).toBe(path);
          for (const [index, reason] of chain.entries()) {
            if (index > 0) expect(reason.from).toBe(chain[index - 1]?.to);
          }
          const above = parentOf(path);
          if (above !== "/") expect(kept.get(above)?.type).toBe("directory");
        }
      }),
    ));

  it("accounts for every path: kept or dropped", () =>
    fc.assert(
      fc.asyncProperty(anyTree, seeds, async (tree, numbers) => {
        const { reasons } = await carve(tree, choose(tree, numbers), [lines]);
        const all = [...reasons.paths(), ...reasons.droppedPaths().keys()].sort();
        expect(all).toEqual(paths(tree).sort());
      }),
    ));

  it("changes nothing when done again", () =>
    fc.assert(
      fc.asyncProperty(anyTree, seeds, async (tree, numbers) => {
        const roots = choose(tree, numbers);
        const once = await carve(tree, roots, [lines]);
        const twice = await carve(once.tree, roots, [lines]);
        expect(paths(twice.tree)).toEqual(paths(once.tree));
        expect(twice.reasons.all()).toEqual(once.reasons.all());
      }),
    ));

  it("keeps no less when more roots are named", () =>
    fc.assert(
      fc.asyncProperty(anyTree, seeds, seeds, async (tree, some, more) => {
        const few = await carve(tree, choose(tree, some), [lines]);
        const many = await carve(tree, [...choose(tree, some), ...choose(tree, more)], [lines]);
        expect(paths(many.tree)).toEqual(expect.arrayContaining(paths(few.tree)));
      }),
    ));

  it("writes reasons that read back as they were, the same bytes for the same carve", () =>
    fc.assert(
      fc.asyncProperty(anyTree, seeds, async (tree, numbers) => {
        const origin = { kind: "package", name: "p", version: "1", architecture: "all" } as const;
        const marked = tree.map((path, entry) => (path.length % 2 === 0 ? { ...entry, origin } : entry));
        const roots = choose(marked, numbers);
        const { reasons } = await carve(marked, roots, [lines]);
        const text = JSON.stringify(reasons);
        const back = Reasons.fromJSON(JSON.parse(text));
        expect(back.all()).toEqual(reasons.all());
        expect(back.droppedPaths()).toEqual(new Map([...reasons.droppedPaths()]));
        for (const path of reasons.paths()) expect(back.origin(path)).toEqual(reasons.origin(path));
        expect(JSON.stringify(back)).toBe(text);
        const again = await carve(marked, [...roots].reverse(), [lines]);
        expect(JSON.stringify(again.reasons)).toBe(text);
      }),
    ));
});

describe("Reasons.fromJSON", () => {
  it("refuses anything else with a readable error", () => {
    for (const value of [null, 1, {}, { version: 2 }, { version: 1, paths: "x" }]) {
      expect(() => Reasons.fromJSON(value)).toThrow(WhittleError);
    }
  });

  it("refuses damaged tables without a crash", async () => {
    const tree = treeOf([
      ["/a", file("/b/c")],
      ["/b/c", file()],
      ["/d", file()],
    ]);
    const text = JSON.stringify((await carve(tree, [{ path: "/a" }], [lines])).reasons);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom(..."0x-\\9/ "), (at, character) => {
        const damaged = text.slice(0, at) + character + text.slice(at + 1);
        let value: unknown;
        try {
          value = JSON.parse(damaged);
        } catch {
          return;
        }
        try {
          Reasons.fromJSON(value);
        } catch (error) {
          expect(error).toBeInstanceOf(WhittleError);
        }
      }),
    );
  });
});

describe("carve with a surface", () => {
  it("is what Tree.empty gives when nothing is named", async () => {
    const { tree, reasons } = await carve(Tree.empty, [], [lines]);
    expect(paths(tree)).toEqual([]);
    expect(reasons.paths()).toEqual([]);
  });
});
