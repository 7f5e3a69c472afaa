import { describe, expect, it } from "vitest";
import { type ElfPlan, elfTree, machineNamed } from "../../test/elf-fixture.ts";
import { type Closure, Loader, type LoaderOptions } from "./index.ts";

const glibc = "/lib64/ld-linux-x86-64.so.2";
const program = (plan: ElfPlan): ElfPlan => ({ interpreter: glibc, ...plan });
const library = (soname: string, plan: ElfPlan = {}): ElfPlan => ({ soname, ...plan });
// Its data says which directories are built into it, as glibc's own does.
const loaderFile = library("ld-linux-x86-64.so.2", {
  rodata: "x\0/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0\0y",
  sections: true,
});

type Files = Parameters<typeof elfTree>[0];

async function closureOf(files: Files, options: LoaderOptions = {}, path = "/bin/x"): Promise<Closure> {
  const tree = elfTree({ [glibc]: loaderFile, ...files });
  const closure = await new Loader(tree, options).closure(path);
  if (closure === undefined) throw new Error("nothing to load");
  return closure;
}

/** What was found for each name, by the loader's own way of writing it. */
async function found(
  files: Files,
  options: LoaderOptions = {},
  path?: string,
): Promise<Record<string, string | null>> {
  const { needs } = await closureOf(files, options, path);
  return Object.fromEntries(needs.map(({ soname, object }) => [soname, object?.foundAs ?? null]));
}

describe("the order of search", () => {
  const everywhere = (plan: ElfPlan): Files => ({
    "/bin/x": program({ needed: ["liba.so.1"], ...plan }),
    "/r/liba.so.1": library("liba.so.1"),
    "/e/liba.so.1": library("liba.so.1"),
    "/c/liba.so.1": library("liba.so.1"),
    "/usr/lib/liba.so.1": library("liba.so.1"),
    "/etc/ld.so.conf": "include /etc/ld.so.conf.d/*.conf\n",
    "/etc/ld.so.conf.d/c.conf": "# configured\n/c/\n",
  });
  const environment = { LD_LIBRARY_PATH: "/e" };

  it("is RPATH, environment, cache, default directories", async () => {
    const files = everywhere({ rpath: "/r" });
    expect(await found(files, { environment })).toEqual({ "liba.so.1": "/r/liba.so.1" });
    expect(await found(everywhere({}), { environment })).toEqual({ "liba.so.1": "/e/liba.so.1" });
    expect(await found(everywhere({}))).toEqual({ "liba.so.1": "/c/liba.so.1" });
    expect(await found(everywhere({}), { cache: "none" })).toEqual({ "liba.so.1": "/usr/lib/liba.so.1" });
    expect(await found(everywhere({}), { cache: "file" })).toEqual({ "liba.so.1": "/usr/lib/liba.so.1" });
  });

  it("has RUNPATH behind the environment", async () => {
    expect(await found(everywhere({ runpath: "/r" }), { environment })).toEqual({
      "liba.so.1": "/e/liba.so.1",
    });
    expect(await found(everywhere({ runpath: "/r" }))).toEqual({ "liba.so.1": "/r/liba.so.1" });
  });

  it("passes over an RPATH beside a RUNPATH", async () => {
    const files = everywhere({ rpath: "/r", runpath: "/nothing" });
    expect(await found(files, { cache: "none" })).toEqual({ "liba.so.1": "/usr/lib/liba.so.1" });
  });

  it("ends before the default directories for an object with NODEFLIB", async () => {
    const files = everywhere({ flags1: 0x800 });
    expect(await found(files, { cache: "none" })).toEqual({ "liba.so.1": null });
    expect(await found(files)).toEqual({ "liba.so.1": "/c/liba.so.1" });
  });

  it("takes the default directories from the loader", async () => {
    const fedora = library("ld-linux-x86-64.so.2", { rodata: "\0/lib64/\0/usr/lib64/\0", sections: true });
    const files = {
      [glibc]: fedora,
      "/bin/x": program({ needed: ["liba.so", "libb.so"], runpath: "/opt/$LIB" }),
      "/usr/lib64/liba.so": library("liba.so"),
      "/usr/lib/liba.so": library("liba.so"),
      "/opt/lib64/libb.so": library("libb.so"),
    };
    expect(await found(files)).toEqual({ "liba.so": "/usr/lib64/liba.so", "libb.so": "/opt/lib64/libb.so" });
  });

  it("says where it has looked and by which rule it has found", async () => {
    const { needs } = await closureOf(everywhere({ runpath: "/r:/s" }), { environment: {} });
    expect(needs[0]).toMatchObject({ searched: ["/r"], via: "RUNPATH of /bin/x" });
    const missing = await closureOf({ "/bin/x": program({ needed: ["libno.so"] }) });
    expect(missing.needs[0]).toMatchObject({
      path: null,
      searched: ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib"],
    });
  });
});

describe("run paths", () => {
  const chain = (first: ElfPlan, second: ElfPlan = {}): Files => ({
    "/bin/x": program({ needed: ["liba.so"], ...first }),
    "/r/liba.so": library("liba.so", { needed: ["libb.so"], ...second }),
    "/r/libb.so": library("libb.so"),
  });

  it("are inherited as RPATH and not as RUNPATH", async () => {
    expect(await found(chain({ rpath: "/r" }))).toMatchObject({ "libb.so": "/r/libb.so" });
    expect(await found(chain({ runpath: "/r" }))).toMatchObject({ "libb.so": null });
  });

  it("are not inherited by an object with a RUNPATH of its own", async () => {
    expect(await found(chain({ rpath: "/r" }, { runpath: "/nothing" }))).toMatchObject({ "libb.so": null });
  });

  it("know the origin of each object, and the real place of the program", async () => {
    const files = {
      "/bin/x": "-> ../opt/app/bin/x",
      "/opt/app/bin/x": program({ needed: ["liba.so"], runpath: "$ORIGIN/../lib" }),
      "/opt/app/lib/liba.so": library("liba.so", { needed: ["libb.so"], runpath: "${ORIGIN}/deep" }),
      "/opt/app/lib/deep/libb.so": library("libb.so"),
    };
    expect(await found(files)).toEqual({
      "liba.so": "/opt/app/bin/../lib/liba.so",
      "libb.so": "/opt/app/bin/../lib/deep/libb.so",
    });
    const { needs } = await closureOf(files);
    expect(needs[0]).toMatchObject({ path: "/opt/app/lib/liba.so", through: ["/opt/app/bin"] });
  });

  it("lead up from where a link leads to", async () => {
    const { needs } = await closureOf({
      "/bin/x": program({ needed: ["liba.so"], runpath: "/opt/current/../lib" }),
      "/opt/current": "-> /srv/v2/tree",
      "/srv/v2/tree/keep": "",
      "/srv/v2/lib/liba.so": library("liba.so"),
      "/opt/lib/liba.so": library("liba.so"),
    });
    expect(needs[0]).toMatchObject({ path: "/srv/v2/lib/liba.so", through: ["/opt/current"] });
  });
});

describe("names", () => {
  it("are answered by what is loaded already, also by soname", async () => {
    const { objects } = await closureOf({
      "/bin/x": program({ needed: ["/opt/odd-name.so", "libreal.so.1", "libtwin.so"] }),
      "/opt/odd-name.so": library("libreal.so.1"),
      "/usr/lib/libreal.so.1": library("libreal.so.1"),
      "/usr/lib/libtwin.so": "-> /opt/odd-name.so",
    });
    expect(objects.map(({ path }) => path)).toEqual(["/bin/x", "/opt/odd-name.so", glibc]);
  });

  it("with a slash are paths", async () => {
    const files = {
      "/bin/x": program({ needed: ["$ORIGIN/../opt/liba.so"] }),
      "/opt/liba.so": library("liba.so"),
    };
    expect(await found(files)).toEqual({ "$ORIGIN/../opt/liba.so": "/bin/../opt/liba.so" });
  });

  it("are looked for on behind a file for another machine, and not behind one that is no library", async () => {
    const needs = {
      "/bin/x": program({ needed: ["liba.so"], runpath: "/r" }),
      "/lib/liba.so": library("liba.so"),
    };
    for (const architecture of ["386", "arm64", "x32", "s390x"]) {
      const other = library("liba.so", { machine: machineNamed(architecture) });
      expect(await found({ ...needs, "/r/liba.so": other })).toEqual({ "liba.so": "/lib/liba.so" });
    }
    expect(await found({ ...needs, "/r/liba.so": "INPUT(-la)" })).toEqual({ "liba.so": null });
    expect(await found({ ...needs, "/r/liba.so": "-> nowhere" })).toEqual({ "liba.so": "/lib/liba.so" });
  });

  it("of links are reported with every link on the way", async () => {
    const { needs } = await closureOf({
      "/bin/x": program({ needed: ["liba.so.1"] }),
      "/lib": "-> usr/lib",
      "/usr/lib/x86_64-linux-gnu/liba.so.1": "-> liba.so.1.2",
      "/usr/lib/x86_64-linux-gnu/liba.so.1.2": library("liba.so.1"),
    });
    expect(needs[0]).toMatchObject({
      path: "/lib/x86_64-linux-gnu/liba.so.1",
      links: ["/lib", "/usr/lib/x86_64-linux-gnu/liba.so.1"],
    });
  });
});

describe("a process", () => {
  it("loads breadth first, each object once", async () => {
    const { objects } = await closureOf({
      "/bin/x": program({ needed: ["liba.so", "libb.so"] }),
      "/lib/liba.so": library("liba.so", { needed: ["libc.so", "libb.so"] }),
      "/lib/libb.so": library("libb.so", { needed: ["ld-linux-x86-64.so.2", "liba.so"] }),
      "/lib/libc.so": library("libc.so"),
    });
    expect(objects.map(({ foundAs }) => foundAs)).toEqual([
      "/bin/x",
      "/lib/liba.so",
      "/lib/libb.so",
      "/lib/libc.so",
      glibc,
    ]);
  });

  it("begins with what is preloaded", async () => {
    const files = {
      "/bin/x": program({ needed: ["liba.so"] }),
      "/etc/ld.so.preload": "/opt/second.so # why\n",
      "/opt/second.so": library("second.so"),
      "/lib/liba.so": library("liba.so"),
      "/lib/libfirst.so": library("libfirst.so"),
    };
    const { objects } = await closureOf(files, { environment: { LD_PRELOAD: "libfirst.so:libgone.so" } });
    expect(objects.map(({ foundAs }) => foundAs)).toEqual([
      "/bin/x",
      "/lib/libfirst.so",
      "/opt/second.so",
      "/lib/liba.so",
      glibc,
    ]);
  });

  it("prefers a build for its processor, and names such builds where the processor is not known", async () => {
    const files = {
      "/bin/x": program({ needed: ["liba.so"] }),
      "/lib/liba.so": library("liba.so"),
      "/lib/glibc-hwcaps/x86-64-v3/liba.so": library("liba.so"),
    };
    const { needs } = await closureOf(files);
    expect(needs[0]).toMatchObject({
      path: "/lib/liba.so",
      variants: ["/lib/glibc-hwcaps/x86-64-v3/liba.so"],
    });
    const hwcaps = ["x86-64-v4", "x86-64-v3"];
    expect(await found(files, { hwcaps })).toEqual({ "liba.so": "/lib/glibc-hwcaps/x86-64-v3/liba.so" });
  });

  it("takes what is not there as missing, unless it is auxiliary", async () => {
    const { needs } = await closureOf({
      "/bin/x": program({ auxiliary: ["libfast.so"], needed: ["libno.so"] }),
    });
    expect(needs.map(({ soname, path, optional }) => [soname, path, optional])).toEqual([
      ["libfast.so", null, true],
      ["libno.so", null, false],
    ]);
  });

  it("is none for a file without a dynamic section", async () => {
    const tree = elfTree({ "/a.o": { type: "relocatable" }, "/text": "no" });
    for (const path of ["/a.o", "/text", "/absent"]) {
      expect(await new Loader(tree).closure(path)).toBeUndefined();
      expect(await new Loader(tree).resolve(path)).toBeUndefined();
    }
  });
});

describe("musl", () => {
  const musl = "/lib/ld-musl-x86_64.so.1";
  const files = {
    [musl]: library("libc.musl-x86_64.so.1"),
    "/bin/x": {
      interpreter: musl,
      needed: ["liba.so", "libc.musl-x86_64.so.1", "libpthread.so.0"],
      runpath: "/r",
    },
    "/r/liba.so": library("liba.so", { needed: ["libb.so"] }),
    "/r/libb.so": library("libb.so"),
    "/usr/local/lib/libb.so": library("libb.so"),
  };

  it("inherits RUNPATH, and stands for the libraries of C", async () => {
    expect(await found(files)).toEqual({
      "liba.so": "/r/liba.so",
      "libb.so": "/r/libb.so",
      "libc.musl-x86_64.so.1": musl,
      "libpthread.so.0": musl,
    });
  });

  it("looks into the environment first and has a path file of its own", async () => {
    const plain = { ...files, "/bin/x": { interpreter: musl, needed: ["libb.so"], rpath: "/r" } };
    const environment = { LD_LIBRARY_PATH: "/usr/local/lib" };
    expect(await found(plain, { environment })).toEqual({ "libb.so": "/usr/local/lib/libb.so" });
    const none = { ...files, "/bin/x": { interpreter: musl, needed: ["libb.so"] } };
    expect(await found(none)).toEqual({ "libb.so": "/usr/local/lib/libb.so" });
    const written = { ...none, "/etc/ld-musl-x86_64.path": "/none\n/r\n" };
    expect(await found(written)).toEqual({ "libb.so": "/r/libb.so" });
  });
});
