import { infoName } from "./bootstrap-database.ts";
import type { DebianPackage } from "./open-package.ts";
import { parseRelations } from "./relations.ts";

/** Where the script lies while it runs; nothing of it is left afterwards. */
export const scriptPath = "/.whittle-configure";

/** Programs that make what `settled` throws away, and take longer for it than all the rest. */
const compilers = ["/usr/bin/py3compile", "/usr/lib/python3*/py_compile.py"];

/** What the configuring script has to do. */
export interface ConfigureRequest {
  /** The packages to configure, dependencies first. */
  readonly packages: readonly DebianPackage[];
  /** Seconds since the epoch that scripts take for now where they honour it. */
  readonly epoch: number;
  /** Command lines of the shell to be run in the end. */
  readonly commands: readonly string[];
}

/**
 * The script that makes a working system of unpacked packages: the `preinst` of each, then `dpkg --configure`, as the
 * second stage of debootstrap does it. Nothing asks a question, nothing depends on the time.
 */
export function configureScript(request: ConfigureRequest): string {
  const { packages, epoch, commands } = request;
  const lines = [
    "#!/bin/sh",
    "set -e",
    "cd /",
    "umask 022",
    "export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes",
    `export SOURCE_DATE_EPOCH=${epoch} PERL_HASH_SEED=0 PYTHONHASHSEED=0 LC_ALL=C.UTF-8 TZ=UTC HOME=/root`,
    // Scripts call programs that look names up.
    "for name in passwd group; do",
    "  [ -e /etc/$name ] || [ ! -e /usr/share/base-passwd/$name.master ] || cp /usr/share/base-passwd/$name.master /etc/$name",
    "done",
    "preinst() {",
    "  DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE=$1 DPKG_MAINTSCRIPT_ARCH=$2 \\",
    "    DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT= \\",
    '    "/var/lib/dpkg/info/$3.preinst" install || { echo "the preinst script of $1 failed" >&2; exit 1; }',
    "}",
    "put_aside() { [ ! -e $1 ] || { mv $1 $1.aside; printf '#!/bin/sh\\n' >$1; chmod 755 $1; }; }",
    "put_back() { [ ! -e $1.aside ] || mv $1.aside $1; }",
    'configure() { dpkg --log=/dev/null --force-unsafe-io --force-confold --configure "$@"; }',
  ];
  for (const one of packages) {
    if (!one.scripts.has("preinst")) continue;
    const before = neededBefore(one, packages);
    if (before.length > 0) lines.push(`configure ${before.join(" ")}`);
    lines.push(`preinst ${one.name} ${one.architecture} ${infoName(one)}`);
  }
  lines.push(
    ...compilers.map((path) => `put_aside ${path}`),
    "configure -a",
    ...compilers.map((path) => `put_back ${path}`),
    ...commands.map((command) => `sh -e -c ${quoted(command)}`),
  );
  return `${lines.join("\n")}\n`;
}

/**
 * What has to work before the `preinst` of a package runs (Policy 7.2), as far as it is among these packages. The
 * essential ones work unconfigured.
 */
function neededBefore(one: DebianPackage, packages: readonly DebianPackage[]): string[] {
  if (one.control.get("essential") === "yes" || one.control.get("priority") === "required") return [];
  const needed = new Set<DebianPackage>();
  const visit = (field: string | undefined): void => {
    for (const group of field === undefined ? [] : parseRelations(field)) {
      const found = packages.find((other) =>
        group.some(({ name }) => other !== one && isCalled(other, name)),
      );
      if (found === undefined || needed.has(found)) continue;
      needed.add(found);
      visit(found.control.get("pre-depends"));
      visit(found.control.get("depends"));
    }
  };
  visit(one.control.get("pre-depends"));
  return packages.filter((other) => needed.has(other)).map(infoName);
}

function isCalled(one: DebianPackage, name: string): boolean {
  if (one.name === name) return true;
  const provides = one.control.get("provides");
  return (
    provides !== undefined &&
    parseRelations(provides)
      .flat()
      .some((relation) => relation.name === name)
  );
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
