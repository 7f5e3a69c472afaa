import type { ElfFile } from "../elf/index.ts";
import type { TreePath } from "../tree/index.ts";
import { type GconvChoice, gconvModuleNeeds, gconvNeeds } from "./elf-gconv.ts";
import { dynamicElf, type Libc, type LibcUser, loaderFor, unlessMalformed } from "./elf-loader.ts";
import { localeNeeds } from "./elf-locale.ts";
import { nssNeeds } from "./elf-nss.ts";
import type { Evidence, EvidenceContext, Need } from "./need.ts";

/** What of the C library's own needs is wanted. */
export interface LibcEvidenceOptions {
  /**
   * Character set modules for programs that convert: by default those of the character set that the image's
   * environment chooses, which for UTF-8 and ASCII are none.
   */
  readonly gconv?: GconvChoice;
}

/** Functions that unwind the stack; glibc opens libgcc_s for them when they are first called. */
const unwinding = new Map<string, Need["missing"]>([
  // Without libgcc_s these end the program: "libgcc_s.so.1 must be installed for pthread_exit to work".
  ["pthread_cancel", "report"],
  ["pthread_exit", "report"],
  // This one finds nothing then.
  ["backtrace", "ignore"],
]);

/**
 * What glibc itself opens for a program while it runs, as far as it is decided by configuration that is in the
 * tree: name service modules, libgcc_s, character set modules, locales, preloaded objects. musl opens nothing of
 * the kind.
 */
export function libcEvidence(options: LibcEvidenceOptions = {}): Evidence {
  return {
    name: "libc",
    async *needs(path, context) {
      yield* gconvModuleNeeds(path, context.tree);
      const elf = await dynamicElf(path, context);
      if (elf === undefined) return;
      const libc = await libcOf(path, elf, context);
      if (libc === undefined) return;
      const imports = (await unlessMalformed(elf.imports())) ?? new Set<string>();
      const user: LibcUser = { path, imports, libc };
      if (elf.interpreter !== undefined) {
        yield { path: "/etc/ld.so.preload", how: { kind: "libc", what: "ld.so" }, missing: "ignore" };
      }
      yield* unwindNeeds(user);
      yield* nssNeeds(user, context);
      yield* gconvNeeds(user, context, options.gconv ?? "configured");
      yield* localeNeeds(user, context);
    },
    reads: async (path) => path === "/etc/nsswitch.conf" || path === "/etc/ld.so.preload",
  };
}

/** The glibc that an object needs itself; one that gets it through another object imports nothing of it. */
async function libcOf(path: TreePath, elf: ElfFile, context: EvidenceContext): Promise<Libc | undefined> {
  const soname = elf.needed.find((name) => /^libc\.so\.6(?:\.1)?$/.test(name));
  if (soname === undefined) return undefined;
  const loader = loaderFor(context);
  const resolved = await unlessMalformed(loader.resolve(path));
  const found = resolved?.needed.find((need) => need.soname === soname)?.object;
  return found === undefined ? undefined : { path: found.realPath, elf: found.elf, loader };
}

async function* unwindNeeds({ imports, libc }: LibcUser): AsyncGenerator<Need> {
  const kinds = [...unwinding].filter(([name]) => imports.has(name)).map(([, missing]) => missing);
  if (kinds.length === 0) return;
  const soname = "libgcc_s.so.1";
  const found = await libc.loader.find(libc.path, soname);
  yield {
    path: found?.path ?? `/lib/${soname}`,
    how: { kind: "libc", what: "libgcc" },
    missing: kinds.includes("report") ? "report" : "ignore",
  };
}
