import type { LibcUser } from "./elf-loader.ts";
import type { EvidenceContext, Need } from "./need.ts";

const how = { kind: "libc", what: "locale" } as const;
const directory = "/usr/lib/locale";
const zones = "/usr/share/zoneinfo";
const localeFunctions = ["setlocale", "newlocale"];
const zoneFunctions = ["tzset", "localtime", "localtime_r", "mktime", "timelocal"];

/**
 * The locale and the time zone that the image's environment chooses (locale(7), tzset(3)), for an object that
 * asks for them. `C` and `POSIX` are built in; without `TZ` it is `/etc/localtime`.
 */
export function* localeNeeds({ imports }: LibcUser, { tree, environment }: EvidenceContext): Generator<Need> {
  if (localeFunctions.some((name) => imports.has(name))) {
    const chosen = Object.entries(environment)
      .filter(([name, value]) => /^(?:LANG|LC_[A-Z]+)$/.test(name) && /^[\w.@-]+$/.test(value))
      .map(([, value]) => value)
      .filter((value) => value !== "C" && value !== "POSIX");
    if (chosen.length > 0) yield { path: `${directory}/locale-archive`, how, missing: "ignore" };
    for (const name of new Set(chosen.flatMap(spellings))) {
      for (const [path] of tree.entries(`${directory}/${name}`)) yield { path, how, missing: "ignore" };
    }
  }
  if (zoneFunctions.some((name) => imports.has(name))) {
    const zone = environment["TZ"]?.replace(/^:/, "");
    if (zone === undefined) yield { path: "/etc/localtime", how, missing: "ignore" };
    else if (/^(?:[\w+-]+\/)*[\w+-]+$/.test(zone)) {
      yield { path: `${zones}/${zone}`, how, missing: "ignore" };
    }
  }
}

/** The names under which a locale may be installed: as it is, and with its character set as glibc spells it. */
function spellings(locale: string): string[] {
  const normal = locale.replace(/\.([^@]+)/, (_all, set: string) => {
    const plain = set.replace(/[^A-Za-z0-9]/g, "").toLowerCase();
    return `.${/^\d+$/.test(plain) ? `iso${plain}` : plain}`;
  });
  return [...new Set([locale, normal])];
}
