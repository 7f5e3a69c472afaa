import { configuredDirectories } from "../elf/index.ts";
import { readText } from "../io/index.ts";
import { parentOf } from "../tree/index.ts";
import { matchPaths } from "./glob.ts";
import type { Evidence } from "./need.ts";
import { perTree } from "./per-tree.ts";

const longest = 1024 * 1024;
/** Where Debian's glibc looks without being told (ld.so(8), with the multiarch directories). */
const builtIn = /^(?:\/usr)?\/lib(?:32|64|x32)?(?:\/[a-z0-9_]+-linux-[a-z0-9]+)?$/;

/**
 * The loader's configuration, for a library in a directory that the loader knows from `ld.so.conf` only. What
 * the loader itself reads is `ld.so.cache`; the texts are kept beside it so that `ldconfig` would make it again.
 */
export function loaderConfigurationEvidence(): Evidence {
  const configured = perTree(async (tree) => {
    const directories = await configuredDirectories(tree);
    const real = directories.map((directory) => [tree.resolve(directory).path, directory] as const);
    return new Map(real.filter(([path, directory]) => !builtIn.test(path) && !builtIn.test(directory)));
  });
  return {
    name: "loader-configuration",
    async *needs(path, { tree }) {
      if (!/\.so(?:\.|$)/.test(path)) return;
      const directory = (await configured(tree)).get(parentOf(path));
      if (directory === undefined) return;
      const how = { kind: "libc", what: "ld.so" } as const;
      yield { path: "/etc/ld.so.cache", how, missing: "ignore" };
      yield { path: "/etc/ld.so.conf", how, missing: "ignore" };
      for (const file of matchPaths(tree, "/etc/ld.so.conf.d/*.conf")) {
        const { entry } = tree.resolve(file);
        if (entry?.type !== "file" || entry.content.size > longest) continue;
        const text = await readText(entry.content, longest);
        if (text.split(/[\s:,]+/).some((word) => word.replace(/\/+$/, "") === directory)) {
          yield { path: file, how, missing: "ignore" };
        }
      }
    },
    reads: async (path) => /^\/etc\/ld\.so\.conf(?:$|\.d\/)/.test(path),
  };
}
