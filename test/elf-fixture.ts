import { type Machine, machines } from "../src/elf/index.ts";
import { bytesContent, type Content } from "../src/io/index.ts";
import { type Entry, type Tree, treeOf } from "../src/tree/index.ts";

/** What an ELF file that a test makes is to say. */
export interface ElfPlan {
  readonly machine?: Machine;
  readonly type?: "relocatable" | "executable" | "shared";
  readonly flags?: number;
  readonly interpreter?: string;
  readonly needed?: readonly string[];
  readonly auxiliary?: readonly string[];
  readonly soname?: string;
  readonly rpath?: string;
  readonly runpath?: string;
  readonly flags1?: number;
  readonly imports?: readonly string[];
  readonly exports?: readonly string[];
  /** Symbol versions wanted of other files, by soname; a version that ends in `?` is weak. */
  readonly versionsNeeded?: Readonly<Record<string, readonly string[]>>;
  /** Symbol versions that the file has. */
  readonly versions?: readonly string[];
  /** Which table tells how many symbols there are. */
  readonly hash?: "gnu" | "sysv" | "none";
  /** Text of a `.note.dlopen` note. */
  readonly note?: string;
  readonly rodata?: string;
  readonly sections?: boolean;
}

/** The machine of a GOARCH name. */
export function machineNamed(architecture: string): Machine {
  const found = machines.find((one) => one.architecture === architecture);
  if (found === undefined) throw new Error(`no machine ${architecture}`);
  return found;
}

/** Bytes that grow, with numbers in one encoding. */
class Bytes {
  readonly #parts: Buffer[] = [];
  readonly machine: Machine;
  length = 0;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  raw(data: Uint8Array | string): this {
    const buffer = typeof data === "string" ? Buffer.from(data) : Buffer.from(data);
    this.#parts.push(buffer);
    this.length += buffer.length;
    return this;
  }

  number(value: number, size: number): this {
    const buffer = Buffer.alloc(size);
    for (let index = 0; index < size; index++) {
      const byte = Math.floor(value / 256 ** index) % 256;
      buffer[this.machine.order === "little" ? index : size - 1 - index] = byte;
    }
    return this.raw(buffer);
  }

  u16(...values: readonly number[]): this {
    for (const value of values) this.number(value, 2);
    return this;
  }

  u32(...values: readonly number[]): this {
    for (const value of values) this.number(value, 4);
    return this;
  }

  word(...values: readonly number[]): this {
    for (const value of values) this.number(value, this.machine.bits / 8);
    return this;
  }

  align(to: number): this {
    return this.raw(Buffer.alloc((to - (this.length % to)) % to));
  }

  buffer(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

const base = 0x10000;

/** Makes the bytes of an ELF file (System V ABI): everything in one loaded segment. */
export function elfBytes(plan: ElfPlan = {}): Buffer {
  const machine = plan.machine ?? machineNamed("amd64");
  const wide = machine.bits === 64;
  const headSize = wide ? 64 : 52;
  const segmentSize = wide ? 56 : 32;
  const segments: { type: number; start: number; end: number }[] = [];
  const segmentCount = 4;
  const body = new Bytes(machine).raw(Buffer.alloc(headSize + segmentCount * segmentSize));
  const piece = (type: number, write: () => void): { start: number; end: number } => {
    body.align(8);
    const start = body.length;
    write();
    const extent = { start, end: body.length };
    if (type > 0) segments.push({ type, ...extent });
    return extent;
  };
  const { interpreter, note } = plan;
  if (interpreter !== undefined) piece(3, () => body.raw(`${interpreter}\0`));
  if (note !== undefined) {
    const text = Buffer.from(`${note}\0`);
    piece(4, () => body.u32(4, text.length, 0x407c0c0a).raw("FDO\0").raw(text).align(4));
  }
  const strings = new Map<string, number>();
  let text = "\0";
  const string = (value: string): number => {
    const known = strings.get(value);
    if (known !== undefined) return known;
    const at = Buffer.byteLength(text);
    strings.set(value, at);
    text += `${value}\0`;
    return at;
  };
  const dynamic: [number, number][] = [];
  for (const name of plan.auxiliary ?? []) dynamic.push([0x7ffffffd, string(name)]);
  for (const name of plan.needed ?? []) dynamic.push([1, string(name)]);
  if (plan.soname !== undefined) dynamic.push([14, string(plan.soname)]);
  if (plan.rpath !== undefined) dynamic.push([15, string(plan.rpath)]);
  if (plan.runpath !== undefined) dynamic.push([29, string(plan.runpath)]);
  if (plan.flags1 !== undefined) dynamic.push([0x6ffffffb, plan.flags1]);
  const imports = plan.imports ?? [];
  const exports = plan.exports ?? [];
  const symbols = piece(0, () => {
    body.raw(Buffer.alloc(wide ? 24 : 16));
    for (const [name, section] of [
      ...imports.map((n) => [n, 0] as const),
      ...exports.map((n) => [n, 7] as const),
    ]) {
      if (wide)
        body
          .u32(string(name))
          .raw(Buffer.from([18, 0]))
          .u16(section)
          .word(0, 0);
      else
        body
          .u32(string(name), 0, 0)
          .raw(Buffer.from([18, 0]))
          .u16(section);
    }
  });
  const count = 1 + imports.length + exports.length;
  const hash = piece(0, () => {
    if (plan.hash === "sysv") {
      const eight = wide && (machine.machine === 22 || machine.machine === 0x9026);
      if (eight) body.word(1, count);
      else body.u32(1, count);
    } else {
      // One bucket whose chain goes through all exports; the reader does not look at the hash values but for
      // the end marks.
      body
        .u32(1, 1 + imports.length, 1, 0)
        .word(0)
        .u32(exports.length > 0 ? 1 + imports.length : 0);
      for (const index of exports.keys()) body.u32(index === exports.length - 1 ? 1 : 2);
    }
  });
  const wanted = Object.entries(plan.versionsNeeded ?? {});
  const requirements = piece(0, () => {
    for (const [index, [file, versions]] of wanted.entries()) {
      const size = 16 + 16 * versions.length;
      body.u16(1, versions.length).u32(string(file), 16, index === wanted.length - 1 ? 0 : size);
      for (const [place, version] of versions.entries()) {
        body.u32(0).u16(version.endsWith("?") ? 2 : 0, place + 2);
        body.u32(string(version.replace("?", "")), place === versions.length - 1 ? 0 : 16);
      }
    }
  });
  const definitions = piece(0, () => {
    for (const [index, version] of (plan.versions ?? []).entries()) {
      body.u16(1, 0, index + 1, 1).u32(0, 20, index === (plan.versions?.length ?? 0) - 1 ? 0 : 28);
      body.u32(string(version), 0);
    }
  });
  if (wanted.length > 0) dynamic.push([0x6ffffffe, base + requirements.start], [0x6fffffff, wanted.length]);
  if (plan.versions !== undefined) {
    dynamic.push([0x6ffffffc, base + definitions.start], [0x6ffffffd, plan.versions.length]);
  }
  const names = piece(0, () => body.raw(text));
  const rodata = piece(0, () => body.raw(plan.rodata ?? ""));
  dynamic.push([6, base + symbols.start], [5, base + names.start], [10, names.end - names.start]);
  if (plan.hash === "sysv") dynamic.push([4, base + hash.start]);
  else if (plan.hash !== "none") dynamic.push([0x6ffffef5, base + hash.start]);
  if (plan.type !== "relocatable") {
    piece(2, () => {
      for (const [tag, value] of dynamic) body.word(tag, value);
      body.word(0, 0);
    });
  }
  let sectionTable = 0;
  if (plan.sections === true) {
    const sectionNames = "\0.rodata\0.shstrtab\0";
    const table = piece(0, () => body.raw(sectionNames));
    sectionTable = piece(0, () => {
      const section = (
        name: number,
        type: number,
        flags: number,
        { start, end }: { start: number; end: number },
      ) =>
        body
          .u32(name, type)
          .word(flags, base + start, start, end - start)
          .u32(0, 0)
          .word(1, 0);
      section(0, 0, 0, { start: 0, end: 0 });
      section(1, 1, 2, rodata);
      section(9, 3, 0, table);
    }).start;
  }
  const head = new Bytes(machine)
    .raw(Buffer.from([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, machine.order === "little" ? 1 : 2, 1]))
    .align(16)
    .u16({ relocatable: 1, executable: 2, shared: 3 }[plan.type ?? "shared"], machine.machine)
    .u32(1)
    .word(0, headSize, sectionTable)
    .u32(plan.flags ?? 0)
    .u16(
      headSize,
      segmentSize,
      segments.length + 1,
      wide ? 64 : 40,
      sectionTable > 0 ? 3 : 0,
      sectionTable > 0 ? 2 : 0,
    );
  for (const { type, start, end } of [{ type: 1, start: 0, end: body.length }, ...segments]) {
    const size = end - start;
    if (wide) head.u32(type, 5).word(start, base + start, base + start, size, size, 8);
    else head.u32(type, start, base + start, base + start, size, size, 5, 4);
  }
  const result = body.buffer();
  head.buffer().copy(result);
  return result;
}

/** A tree from paths: an ELF plan, the text of a file, or `-> TARGET` for a symbolic link. */
export function elfTree(files: Readonly<Record<string, ElfPlan | string>>): Tree {
  const attributes = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };
  const entries = Object.entries(files).map(([path, what]): [string, Entry] => {
    if (typeof what === "string" && what.startsWith("-> ")) {
      return [path, { type: "symlink", ...attributes, target: what.slice(3) }];
    }
    const content: Content = bytesContent(typeof what === "string" ? what : elfBytes(what));
    return [path, { type: "file", ...attributes, content }];
  });
  return treeOf(entries);
}
