import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { rolldown } from "rolldown";
import { ownModulesDirectly } from "./own-modules.ts";

// Bundles the program into dist/: one entry for the command line, one for the library, one for each worker.
// Everything but native modules travels inside, so that starting reads few files and installing brings few.
const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

await rm(dist, { recursive: true, force: true });
// The library's types, beside the bundle; whether they hold is for the type check to say.
const compiler = join(root, "node_modules/typescript/bin/tsc");
const declarations = promisify(execFile)(
  process.execPath,
  [compiler, "-p", "tsconfig.build.json", "--noCheck"],
  {
    cwd: root,
  },
);
const bundle = await rolldown({
  cwd: root,
  input: {
    main: "src/cli/main.ts",
    index: "src/index.ts",
    "xz-worker": "src/io/xz-worker.ts",
    "packages-index-worker": "src/debian/packages-index-worker.ts",
    "layer-worker": "src/build/layers/layer-worker.ts",
    "password-worker": "src/registry/server/password-worker.ts",
    supervisor: "src/sandbox/supervisor.ts",
    forwarder: "src/sandbox/forwarder.ts",
    loopback: "src/sandbox/loopback.ts",
    "plain-init": "src/sandbox/plain-init.ts",
    "plain-exec": "src/sandbox/plain-exec.ts",
  },
  platform: "node",
  external: ["koffi"],
  treeshake: true,
  plugins: [ownModulesDirectly],
});
await bundle.write({
  dir: dist,
  format: "esm",
  entryFileNames: "[name].js",
  // Beside the entries: modules find workers and package.json by their own address.
  chunkFileNames: "[name]-[hash].js",
  // What is always loaded together is one file, with all that it imports: each further one takes a third of a millisecond.
  // Errors are apart because a container's supervisor needs nothing else.
  codeSplitting: {
    groups: [
      { name: "errors", test: /src\/io\/errors\.ts$/, priority: 4 },
      { name: "io", test: /src\/io\/index\.ts$/, priority: 3 },
      { name: "images", test: /src\/(?:image|store)\/index\.ts$/, priority: 2 },
      { name: "frame", test: /src\/cli\/(?:global-options|report|format)\.ts$/, priority: 1 },
    ],
  },
  minify: { compress: true, mangle: false, codegen: { removeWhitespace: false } },
});
await bundle.close();
await declarations;
await writeFile(
  join(dist, "whittle.js"),
  // Node looks for --env-file in all words, those of the program too, as far as "--"; `env -S`, which could put it into
  // the first line, is not everywhere. For the shell the second line is a command, for JavaScript a text and a comment.
  (await readFile(join(root, "src/cli/whittle.js"), "utf8")).replace(
    /^#!.*\n/,
    `#!/bin/sh\n":" //; exec node -- "$0" "$@"\n`,
  ),
);
await chmod(join(dist, "whittle.js"), 0o755);

// npm does not link a package's own program into its checkout; `npx whittle` is to work there all the same.
const bin = join(root, "node_modules/.bin");
await mkdir(bin, { recursive: true });
await rm(join(bin, "whittle"), { force: true });
await symlink("../../dist/whittle.js", join(bin, "whittle"));
