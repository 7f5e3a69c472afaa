#!/usr/bin/env node
// The entry is plain, old JavaScript: an older Node has to get as far as the line that tells it so.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 15)) {
  process.stderr.write(
    `whittle: Cannot run on Node ${process.versions.node}: 22.15 or newer is wanted (npx whittle in a checkout brings its own)\n`,
  );
  process.exit(3);
}
// Asked for, Node's modules come faster than imported.
const { enableCompileCache } = process.getBuiltinModule("node:module");
const { isAbsolute, join } = process.getBuiltinModule("node:path");
// Compiled code lies where the person's other caches do: the usual place, below /tmp, is everybody's.
const chosen = process.env.XDG_CACHE_HOME ?? "";
const caches = isAbsolute(chosen)
  ? chosen
  : join(process.env.HOME ?? process.getBuiltinModule("node:os").homedir(), ".cache");
enableCompileCache(join(caches, "whittle", "compiled"));
const { main } = await import("./main.js");
await main(process.argv.slice(2));
