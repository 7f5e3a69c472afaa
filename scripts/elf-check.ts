/**
 * Holds what src/elf resolves against what a root's own dynamic loader resolves.
 *
 *   node scripts/elf-check.ts ROOT [QEMU]
 *
 * ROOT is a root file system on disk; QEMU a static qemu-user binary for a foreign one. Needs root (chroot). Prints
 * each difference, then how many objects were compared and how many are equal. The exit status is 1 when there is
 * a difference. WHITTLE_HWCAPS names the glibc-hwcaps subdirectories that this processor supports.
 */
import { resolve } from "node:path";
import { Loader } from "../src/elf/index.ts";
import { treeOfDirectory } from "../src/tree/index.ts";
import { answerOf, askLoader, difference, dynamicObjects } from "../test/loader-answers.ts";

const [root, qemu] = process.argv.slice(2);
if (root === undefined) {
  process.stderr.write("usage: elf-check ROOT [QEMU]\n");
  process.exit(2);
}

const hwcaps = process.env["WHITTLE_HWCAPS"]?.split(":") ?? [];
const tree = await treeOfDirectory(resolve(root));
const loader = new Loader(tree, { cache: "none", hwcaps });
const objects = await dynamicObjects(tree, loader);

// The loader of most programs is asked; a program for another one (a multilib root) cannot be.
const counts = new Map<string, number>();
for (const { interpreter } of objects.values()) {
  if (interpreter !== undefined) counts.set(interpreter, (counts.get(interpreter) ?? 0) + 1);
}
const [interpreter] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? [];
if (interpreter === undefined) {
  process.stderr.write(`elf-check: there is no dynamically linked program under ${root}\n`);
  process.exit(2);
}

const own = await loader.elf(interpreter);
for (const [path, elf] of objects) {
  const same = elf.machine === own?.machine && elf.bits === own.bits && elf.order === own.order;
  if (!same || (elf.interpreter !== undefined && elf.interpreter !== interpreter)) objects.delete(path);
}

const started = performance.now();
const answers = await askLoader(resolve(root), interpreter, [...objects.keys()], { qemu });
const asked = performance.now();
let programs = 0;
let incomplete = 0;
let different = 0;
for (const path of [...answers.keys()].sort()) {
  const wanted = answers.get(path);
  const closure = await loader.closure(path);
  if (wanted === undefined || closure === undefined) continue;
  if (objects.get(path)?.interpreter !== undefined) programs++;
  if (!wanted.complete) incomplete++;
  const words = difference(wanted, answerOf(closure, interpreter));
  if (words === undefined) continue;
  different++;
  process.stdout.write(`${path}: ${words}\n`);
}
const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(1);
process.stdout.write(
  `${answers.size} objects compared (${programs} programs): ${answers.size - different} equal, ${different} different; ` +
    `the loader misses something for ${incomplete} of them. ` +
    `It took the loader ${seconds(started, asked)} s, this program ${seconds(asked, performance.now())} s.\n`,
);
process.exitCode = different === 0 ? 0 : 1;
