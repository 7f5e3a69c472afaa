import { describe, expect, it } from "vitest";
import { type ElfPlan, elfTree } from "../../test/elf-fixture.ts";
import { elfEvidence } from "./elf.ts";
import { libcEvidence } from "./elf-libc.ts";
import type { Evidence, Need } from "./need.ts";

const glibc = "/lib64/ld-linux-x86-64.so.2";
const libc = "/lib/x86_64-linux-gnu/libc.so.6";
type Files = Parameters<typeof elfTree>[0];

const base: Files = {
  [glibc]: { soname: "ld-linux-x86-64.so.2" },
  [libc]: { soname: "libc.so.6", needed: ["ld-linux-x86-64.so.2"] },
};
const program = (plan: ElfPlan = {}): ElfPlan => ({
  interpreter: glibc,
  ...plan,
  needed: [...(plan.needed ?? []), "libc.so.6"],
});

async function needsOf(
  evidence: Evidence,
  files: Files,
  path = "/bin/x",
  environment: Record<string, string> = {},
): Promise<Need[]> {
  const tree = elfTree({ ...base, ...files });
  const needs: Need[] = [];
  const context = { tree, environment, signal: new AbortController().signal };
  for await (const need of evidence.needs(path, context)) needs.push(need);
  return needs;
}

/** Paths of the needs of one kind. */
function paths(needs: readonly Need[], kind: Need["how"]["kind"]): string[] {
  return needs.filter(({ how }) => how.kind === kind).map(({ path }) => path);
}

describe("ELF evidence", () => {
  const evidence = elfEvidence();

  it("is the interpreter and what is needed, with where it was looked for", async () => {
    const needs = await needsOf(evidence, {
      "/bin/x": program({ needed: ["liba.so"], runpath: "/opt" }),
      "/opt/liba.so": {},
    });
    expect(needs).toEqual([
      { path: glibc, how: { kind: "elf-interpreter" }, missing: "report" },
      {
        path: "/opt/liba.so",
        how: { kind: "elf-needed", soname: "liba.so", searched: ["/opt"], via: "RUNPATH of /bin/x" },
        missing: "report",
      },
      {
        path: libc,
        how: {
          kind: "elf-needed",
          soname: "libc.so.6",
          searched: ["/opt", "/lib/x86_64-linux-gnu"],
          via: "default directories",
        },
        missing: "report",
      },
    ]);
  });

  it("is none for what is no dynamically linked ELF file", async () => {
    const files = {
      "/text": "#!/bin/sh\n",
      "/broken": "\x7fELF\x09",
      "/static": { type: "executable" as const },
      "/link": "-> bin/x",
      "/bin/x": program(),
    };
    for (const path of ["/text", "/broken", "/static", "/link", "/bin", "/absent"]) {
      expect(await needsOf(evidence, files, path)).toEqual([]);
    }
  });

  it("reports what is missing, also what only a library misses", async () => {
    const files = { "/bin/x": program({ needed: ["liba.so"] }), "/lib/liba.so": { needed: ["libgone.so"] } };
    const missing = (needs: readonly Need[]) => needs.filter(({ path }) => path.endsWith("libgone.so"));
    expect(missing(await needsOf(evidence, files, "/lib/liba.so"))).toMatchObject([{ missing: "report" }]);
    const direct = { "/bin/x": program({ needed: ["libgone.so"] }) };
    expect(missing(await needsOf(evidence, direct))).toMatchObject([
      { missing: "report", how: { via: "not found" } },
    ]);
  });

  it("does not report for a library what whoever loads it may have loaded", async () => {
    const files = { "/opt/plugin.so": { needed: ["libhost.so"] }, "/opt/host/libhost.so": {} };
    const needs = await needsOf(evidence, files, "/opt/plugin.so");
    expect(needs).toMatchObject([{ how: { soname: "libhost.so" }, missing: "ignore" }]);
    // A program that has to load it all by itself cannot hope for that.
    const started = { ...files, "/bin/x": program({ needed: ["/opt/plugin.so"] }) };
    const own = await needsOf(evidence, started);
    expect(
      own.filter(({ missing, path }) => missing === "report" && path.endsWith("libhost.so")),
    ).toHaveLength(1);
  });

  it("reports symbol versions that a library lacks", async () => {
    const versions = async (defined: readonly string[] | undefined): Promise<string[]> => {
      const files = {
        "/bin/x": program({ needed: ["liba.so"], versionsNeeded: { "liba.so": ["A_1", "A_2", "A_3?"] } }),
        "/lib/liba.so": defined === undefined ? {} : { versions: defined },
      };
      return (await needsOf(evidence, files)).map(({ path }) => path).filter((path) => path.includes("@"));
    };
    expect(await versions(["liba.so", "A_1"])).toEqual(["/lib/liba.so@A_2"]);
    expect(await versions(["liba.so", "A_1", "A_2"])).toEqual([]);
    expect(await versions(undefined)).toEqual([]);
  });

  it("has the program say what its libraries find by its RPATH only", async () => {
    const files = {
      "/bin/x": program({ needed: ["liba.so"], rpath: "/opt" }),
      "/opt/liba.so": { needed: ["libb.so"] },
      "/opt/libb.so": {},
    };
    const needs = await needsOf(evidence, files);
    expect(needs.find(({ path }) => path === "/opt/libb.so")?.how).toMatchObject({ via: "RPATH of /bin/x" });
    expect((await needsOf(evidence, files, "/opt/liba.so")).map(({ missing }) => missing)).toEqual([
      "ignore",
    ]);
  });

  it("keeps directories that a path only goes through, and builds for newer processors", async () => {
    const files = {
      "/opt/bin/x": program({ needed: ["liba.so"], runpath: "/opt/gone/../lib" }),
      "/opt/gone/other": "",
      "/opt/lib/liba.so": {},
      "/opt/lib/glibc-hwcaps/x86-64-v3/liba.so": {},
    };
    const found = paths(await needsOf(evidence, files, "/opt/bin/x"), "elf-needed");
    expect(found).toEqual(["/opt/lib/liba.so", "/opt/gone", "/opt/lib/glibc-hwcaps/x86-64-v3/liba.so", libc]);
  });

  it("wants the cache for what is found by the configuration only", async () => {
    const files = {
      "/bin/x": program({ needed: ["liba.so"] }),
      "/usr/local/lib/liba.so": {},
      "/etc/ld.so.conf": "/lib/x86_64-linux-gnu\n/usr/local/lib\n",
    };
    expect(await needsOf(evidence, files)).toContainEqual({
      path: "/etc/ld.so.cache",
      how: { kind: "libc", what: "ld.so" },
      missing: "report",
    });
    const plain = { ...files, "/bin/x": program() };
    expect(paths(await needsOf(evidence, plain), "libc")).toEqual([]);
  });

  it("follows preloads", async () => {
    const files = {
      "/bin/x": program(),
      "/lib/libfaster.so": {},
      "/opt/p.so": {},
      "/etc/ld.so.preload": "/opt/p.so\n",
    };
    const needs = await needsOf(evidence, files, "/bin/x", { LD_PRELOAD: "libfaster.so" });
    expect(paths(needs, "elf-needed")).toEqual([libc, "/lib/libfaster.so", "/opt/p.so"]);
  });

  it("takes the first alternative of each dlopen note", async () => {
    const note = JSON.stringify([
      { soname: ["libnew.so.2", "libnew.so.1"], feature: "new", priority: "recommended" },
      { soname: ["libno.so"], priority: "suggested" },
      { soname: ["libmust.so"], priority: "required" },
    ]);
    const needs = await needsOf(evidence, {
      "/bin/x": program({ note }),
      "/lib/libnew.so.1": {},
      "/lib/libnew.so.2": {},
    });
    expect(needs.filter(({ how }) => how.kind === "elf-dlopen-note")).toEqual([
      {
        path: "/lib/libnew.so.2",
        how: { kind: "elf-dlopen-note", soname: "libnew.so.2", feature: "new", priority: "recommended" },
        missing: "ignore",
      },
      {
        path: "/lib/libmust.so",
        how: { kind: "elf-dlopen-note", soname: "libmust.so", priority: "required" },
        missing: "report",
      },
    ]);
  });

  it("believes names in read-only data only beside dlopen, and only of libraries that are there", async () => {
    const rodata = "\0libopened.so.1\0libabsent.so.1\0libc.so.6\0see libtext.so \0/opt/libpath.so\0";
    const files = { "/lib/libopened.so.1": {}, "/lib/libtext.so": {}, "/opt/libpath.so": {} };
    const opens = { ...files, "/bin/x": program({ rodata, sections: true, imports: ["dlopen"] }) };
    expect(paths(await needsOf(evidence, opens), "elf-dlopen-string")).toEqual(["/lib/libopened.so.1"]);
    const note = JSON.stringify([{ soname: ["libbetter.so.2", "libopened.so.1"] }]);
    const noted = { ...opens, "/bin/x": { ...opens["/bin/x"], note }, "/lib/libbetter.so.2": {} };
    expect(paths(await needsOf(evidence, noted), "elf-dlopen-string")).toEqual([]);
    expect(paths(await needsOf(evidence, noted), "elf-dlopen-note")).toEqual(["/lib/libbetter.so.2"]);
    const silent = { ...files, "/bin/x": program({ rodata, sections: true, imports: ["printf"] }) };
    expect(paths(await needsOf(evidence, silent), "elf-dlopen-string")).toEqual([]);
    const without = elfEvidence({ dlopenStrings: false, dlopenNotes: false });
    expect(paths(await needsOf(without, opens), "elf-dlopen-string")).toEqual([]);
  });
});

describe("libc evidence", () => {
  const evidence = libcEvidence();
  const user = (...imports: string[]): Files => ({ "/bin/x": program({ imports }) });

  it("is libgcc_s for what unwinds the stack", async () => {
    const file = { "/lib/x86_64-linux-gnu/libgcc_s.so.1": {} };
    const path = "/lib/x86_64-linux-gnu/libgcc_s.so.1";
    const how = { kind: "libc", what: "libgcc" };
    expect(await needsOf(evidence, { ...file, ...user("pthread_cancel") })).toContainEqual({
      path,
      how,
      missing: "report",
    });
    expect(await needsOf(evidence, { ...file, ...user("backtrace") })).toContainEqual({
      path,
      how,
      missing: "ignore",
    });
    expect((await needsOf(evidence, { ...file, ...user("malloc") })).map((need) => need.path)).toEqual([
      "/etc/ld.so.preload",
    ]);
  });

  it("is what nsswitch.conf configures beyond what is built in", async () => {
    const module = (name: string): string => `/lib/x86_64-linux-gnu/libnss_${name}.so.2`;
    const files: Record<string, string | ElfPlan> = {
      "/etc/nsswitch.conf":
        "# services\npasswd: files systemd\ngroup: files extra\nhosts: files [!UNAVAIL=return] myhostname dns\n",
      [module("systemd")]: {},
      [module("myhostname")]: {},
      [module("files")]: {},
    };
    const nss = async (...imports: string[]): Promise<string[]> => {
      const needs = await needsOf(evidence, { ...files, ...user(...imports) });
      return needs.filter(({ how }) => how.kind === "libc" && how.what === "nss").map(({ path }) => path);
    };
    const start = ["/etc/nsswitch.conf", "/etc/passwd"];
    expect(await nss("getpwnam_r")).toEqual([...start, module("files"), module("systemd")]);
    // Since 2.34 "files" and "dns" are part of glibc.
    files[libc] = { soname: "libc.so.6", versions: ["libc.so.6", "GLIBC_2.2.5", "GLIBC_2.34"] };
    expect(await nss("getpwnam_r")).toEqual([...start, module("systemd")]);
    expect(await nss("getaddrinfo")).toContain(module("myhostname"));
    expect(await nss("getgrgid")).toContain("/lib/libnss_extra.so.2");
    expect(await nss("puts")).toEqual([]);
  });

  it("is no character set module unless one is configured or asked for", async () => {
    const gconv = "/lib/x86_64-linux-gnu/gconv";
    const files: Files = {
      ...user("iconv_open"),
      [`${gconv}/ISO8859-15.so`]: {},
      [`${gconv}/EUC-JP.so`]: {},
      [`${gconv}/gconv-modules`]:
        "alias ISO885915// ISO-8859-15//\nmodule ISO-8859-15// INTERNAL ISO8859-15 1\nmodule INTERNAL ISO-8859-15// ISO8859-15 1\n",
      [`${gconv}/gconv-modules.d/extra.conf`]: "module EUC-JP// INTERNAL EUC-JP 1\n",
    };
    const of = async (collector: Evidence, environment = {}): Promise<string[]> => {
      const needs = await needsOf(collector, files, "/bin/x", environment);
      return needs.filter(({ how }) => how.kind === "libc" && how.what === "gconv").map(({ path }) => path);
    };
    expect(await of(evidence)).toEqual([]);
    expect(await of(evidence, { LANG: "C.UTF-8" })).toEqual([]);
    expect(await of(evidence, { LANG: "de_DE.ISO885915@euro" })).toEqual([`${gconv}/ISO8859-15.so`]);
    expect(await of(libcEvidence({ gconv: ["euc-jp", "utf-8"] }))).toEqual([`${gconv}/EUC-JP.so`]);
    expect(await of(libcEvidence({ gconv: "all" }))).toHaveLength(2);
    const module = await needsOf(evidence, files, `${gconv}/EUC-JP.so`);
    expect(module.map(({ path }) => path)).toEqual([
      `${gconv}/gconv-modules`,
      `${gconv}/gconv-modules.d/extra.conf`,
      `${gconv}/gconv-modules.cache`,
    ]);
  });

  it("is the locale and the time zone of the environment", async () => {
    const files: Files = {
      ...user("setlocale", "localtime_r"),
      "/usr/lib/locale/de_DE.utf8/LC_TIME": "x",
      "/usr/lib/locale/fr_FR.utf8/LC_TIME": "x",
    };
    const of = async (environment = {}): Promise<string[]> => {
      const needs = await needsOf(evidence, files, "/bin/x", environment);
      return needs.filter(({ how }) => how.kind === "libc" && how.what === "locale").map(({ path }) => path);
    };
    expect(await of()).toEqual(["/etc/localtime"]);
    expect(await of({ LC_TIME: "de_DE.UTF-8", LANG: "C", TZ: ":Europe/Berlin" })).toEqual([
      "/usr/lib/locale/locale-archive",
      "/usr/lib/locale/de_DE.utf8",
      "/usr/lib/locale/de_DE.utf8/LC_TIME",
      "/usr/share/zoneinfo/Europe/Berlin",
    ]);
    expect(await of({ TZ: "../../../etc/passwd" })).toEqual([]);
  });

  it("is nothing for musl", async () => {
    const musl = "/lib/ld-musl-x86_64.so.1";
    const plan = {
      interpreter: musl,
      needed: ["libc.musl-x86_64.so.1"],
      imports: ["getpwnam", "pthread_exit"],
    };
    expect(await needsOf(evidence, { "/bin/x": plan, [musl]: {} })).toEqual([]);
  });
});
