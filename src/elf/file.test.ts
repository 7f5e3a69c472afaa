import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ElfPlan, elfBytes, machineNamed } from "../../test/elf-fixture.ts";
import { bytesContent, type Content, WhittleError } from "../io/index.ts";
import { type ElfFile, machineMatches, machines, readElf } from "./index.ts";

const full: ElfPlan = {
  interpreter: "/lib64/ld-linux-x86-64.so.2",
  needed: ["libz.so.1", "libc.so.6"],
  auxiliary: ["libspeed.so"],
  soname: "libfull.so.3",
  rpath: "/opt/lib:$ORIGIN",
  runpath: "$ORIGIN/../lib",
  flags1: 0x800,
  imports: ["dlopen", "printf"],
  exports: ["answer", "question"],
  versionsNeeded: { "libc.so.6": ["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_3?"], "libz.so.1": ["ZLIB_1.2"] },
  versions: ["libfull.so.3", "FULL_1", "FULL_2"],
  note: '[{"soname":["liblz4.so.1","liblz4.so"],"feature":"lz4","priority":"suggested"}]',
  rodata: "x\0libdlopened.so.2\0xlibno.so\0libno.so/\0libplain.so\0",
  sections: true,
};

async function read(plan: ElfPlan): Promise<ElfFile> {
  const elf = await readElf(bytesContent(elfBytes(plan)));
  if (elf === undefined) throw new Error("not ELF");
  return elf;
}

/** Asks a file everything. */
async function askAll(elf: ElfFile): Promise<void> {
  const questions: (() => Promise<unknown>)[] = [
    () => elf.imports(),
    () => elf.versionsNeeded(),
    () => elf.versionsDefined(),
    () => elf.dlopenNotes(),
    () => elf.rodataSonames(),
    () => elf.readOnlyData(1024 * 1024),
  ];
  for (const question of questions) await orInvalid(question());
}

/** Lets ELF_INVALID pass and nothing else. */
async function orInvalid<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof WhittleError && error.code === "ELF_INVALID") return undefined;
    throw error;
  }
}

describe("readElf", () => {
  it.each(machines.map((one) => [`${one.architecture} ${one.triplet}`, one] as const))(
    "reads %s",
    async (_name, machine) => {
      const elf = await read({ ...full, machine });
      expect([elf.bits, elf.order, elf.machine]).toEqual([machine.bits, machine.order, machine.machine]);
      expect(elf.architecture).toBe(machine.architecture);
      expect(elf.interpreter).toBe(full.interpreter);
      expect(elf.needed).toEqual(full.needed);
      expect(elf.auxiliary).toEqual(full.auxiliary);
      expect(elf.soname).toBe(full.soname);
      expect(elf.rpath).toEqual(["/opt/lib", "$ORIGIN"]);
      expect(elf.runpath).toEqual(["$ORIGIN/../lib"]);
      expect(elf.noDefaultLibraries).toBe(true);
      expect(elf.isStatic).toBe(false);
      expect([...(await elf.imports())]).toEqual(["dlopen", "printf"]);
      expect(await elf.mentionsDlopen()).toBe(true);
      expect(await elf.versionsNeeded()).toEqual([
        { file: "libc.so.6", versions: ["GLIBC_2.2.5", "GLIBC_2.34"] },
        { file: "libz.so.1", versions: ["ZLIB_1.2"] },
      ]);
      expect(await elf.versionsDefined()).toEqual(full.versions);
      expect(await elf.rodataSonames()).toEqual(["libdlopened.so.2", "libplain.so"]);
      expect(await elf.dlopenNotes()).toEqual([
        { sonames: ["liblz4.so.1", "liblz4.so"], feature: "lz4", priority: "suggested" },
      ]);
    },
  );

  it.each(["sysv", "none", "gnu"] as const)("counts symbols by the %s table", async (hash) => {
    for (const type of ["shared", "executable"] as const) {
      const machine = machineNamed("s390x");
      const elf = await read({ machine, type, hash, imports: ["a", "b"], exports: ["c"] });
      expect([...(await elf.imports())]).toEqual(["a", "b"]);
    }
  });

  it("knows what is no ELF file", async () => {
    for (const text of ["", "\x7fEL", "#!/bin/sh\n", "MZ"]) {
      expect(await readElf(bytesContent(text))).toBeUndefined();
    }
  });

  it("tells a program that needs no loader from a library without needs", async () => {
    expect((await read({ type: "executable" })).isStatic).toBe(true);
    expect((await read({ flags1: 0x08000000 })).isStatic).toBe(true);
    expect((await read({ soname: "libdata.so" })).isStatic).toBe(false);
  });

  it("reads little of a long file", async () => {
    const bytes = elfBytes({ ...full, rodata: "x".repeat(5_000_000) });
    let [reads, size] = [0, 0];
    const content: Content = {
      size: bytes.length,
      async *open(range) {
        reads++;
        const part = bytes.subarray(range?.start, range?.end);
        size += part.length;
        yield part;
      },
    };
    expect((await readElf(content))?.needed).toEqual(full.needed);
    expect(reads).toBeLessThanOrEqual(3);
    expect(size).toBeLessThan(100_000);
  });

  it("finds library names across the ends of chunks", async () => {
    const bytes = elfBytes(full);
    const content: Content = {
      size: bytes.length,
      async *open(range) {
        for (const byte of bytes.subarray(range?.start, range?.end)) yield Uint8Array.of(byte);
      },
    };
    expect(await (await readElf(content))?.rodataSonames()).toEqual(["libdlopened.so.2", "libplain.so"]);
  });

  it("passes over notes that are not what the specification says", async () => {
    for (const note of [
      "",
      "{",
      "{}",
      "[1]",
      '[{"soname":"libx.so"}]',
      '[{"soname":[]}]',
      '[{"feature":"x"}]',
    ]) {
      expect(await (await read({ note })).dlopenNotes()).toEqual([]);
    }
    const elf = await read({ note: '[{"soname":["liba.so"]}]' });
    expect(await elf.dlopenNotes()).toEqual([{ sonames: ["liba.so"], priority: "recommended" }]);
  });
});

describe("malformed files", () => {
  const bytes = elfBytes(full);

  it("are refused or read at every truncation", async () => {
    for (let length = 4; length < bytes.length; length++) {
      const elf = await orInvalid(readElf(bytesContent(bytes.subarray(0, length))));
      if (elf !== undefined) await askAll(elf);
    }
  });

  it("are refused or read whatever bits are turned over", async () => {
    const flips = fc.array(fc.nat(bytes.length * 8 - 1), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(flips, async (places) => {
        const damaged = Buffer.from(bytes);
        for (const place of places) damaged[place >> 3] = (damaged[place >> 3] ?? 0) ^ (1 << (place & 7));
        const elf = await orInvalid(readElf(bytesContent(damaged)));
        if (elf !== undefined) await askAll(elf);
      }),
      { numRuns: 2000 },
    );
  });

  it("are refused or read when words are replaced by extremes", async () => {
    const extremes = fc.constantFrom(
      "ffffffffffffffff",
      "7fffffffffffffff",
      "00000000ffffffff",
      "0000000000000001",
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 8), extremes, async (place, value) => {
        const damaged = Buffer.from(bytes);
        damaged.write(value, place, "hex");
        const elf = await orInvalid(readElf(bytesContent(damaged)));
        if (elf !== undefined) await askAll(elf);
      }),
      { numRuns: 3000 },
    );
  });

  it("say what is wrong", async () => {
    const wrong = (at: number, value: number) => {
      const damaged = Buffer.from(bytes);
      damaged[at] = value;
      return readElf(bytesContent(damaged), "/usr/bin/x");
    };
    await expect(wrong(4, 3)).rejects.toThrow(
      "Cannot read /usr/bin/x as ELF: its class is 3, 1 or 2 is wanted",
    );
    await expect(wrong(5, 0)).rejects.toThrow("its byte order is 0");
    await expect(wrong(6, 9)).rejects.toThrow("its version is 9");
    await expect(wrong(54, 7)).rejects.toThrow("its program headers have 7 bytes each, 56 are wanted");
  });
});

describe("machineMatches", () => {
  it("tells Debian's architectures apart", async () => {
    const names = [...new Set(machines.map(({ architecture }) => architecture))].filter(
      (name) => name !== "arm",
    );
    for (const machine of machines) {
      const elf = await read({ machine });
      const matches = names.filter((architecture) => machineMatches(elf, { architecture }));
      expect(matches).toEqual(machine.architecture === "arm" ? [] : [machine.architecture]);
    }
  });

  it("tells the floating-point ABIs of arm apart where a file says its own", async () => {
    const machine = machineNamed("arm");
    const [soft, hard, silent] = [0x5000200, 0x5000400, 0x5000000];
    const matches = async (flags: number, variant: string | undefined): Promise<boolean> =>
      machineMatches(
        await read({ machine, flags }),
        variant === undefined ? { architecture: "arm" } : { architecture: "arm", variant },
      );
    for (const variant of ["v5", "v6"]) {
      expect(await matches(soft, variant)).toBe(true);
      expect(await matches(hard, variant)).toBe(false);
      expect(await matches(silent, variant)).toBe(true);
    }
    expect(await matches(soft, "v7")).toBe(false);
    expect(await matches(hard, "v7")).toBe(true);
    expect(await matches(silent, "v7")).toBe(true);
    expect(await matches(soft, undefined)).toBe(true);
    expect(await matches(hard, undefined)).toBe(true);
  });

  it("matches no platform that it does not know", async () => {
    expect(machineMatches(await read({}), { architecture: "wasm" })).toBe(false);
    expect(machineMatches(await read({}), { architecture: "amd64", variant: "v2" })).toBe(true);
  });
});
