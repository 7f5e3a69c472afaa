import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { copyExample, type Finished, root, run, temporary } from "./program.ts";

// The package as npm would publish it, installed in an empty project elsewhere.

let directory = "";
let consumer = "";
let archive = "";

const inConsumer = (...words: [string, ...string[]]): Promise<Finished> =>
  run(words, {
    cwd: consumer,
    env: {
      ...process.env,
      PATH: `${join(root, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`,
      WHITTLE_STORE: join(directory, "store"),
    },
  });

beforeAll(async () => {
  directory = temporary();
  consumer = join(directory, "consumer");
  mkdirSync(consumer);
  // The bundle that is tested elsewhere is packed as it is: other tests are running from it.
  const packed = await run(["npm", "pack", "--ignore-scripts", "--json", "--pack-destination", directory], {
    cwd: root,
  });
  expect(packed.status, packed.stderr).toBe(0);
  archive = join(directory, readdirSync(directory).find((name) => name.endsWith(".tgz")) ?? "");
  writeFileSync(join(consumer, "package.json"), JSON.stringify({ name: "consumer", type: "module" }));
  const installed = await inConsumer("npm", "install", "--no-audit", "--no-fund", archive);
  expect(installed.status, installed.stderr).toBe(0);
  copyExample(join(consumer, "api"));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

it("brings one dependency, no Node, no sources and no source maps, in little room", () => {
  const files = execFileSync("tar", ["-tvzf", archive], { encoding: "utf8" }).trim().split("\n");
  const names = files.map((line) => line.split(/\s+/).at(-1) ?? "");
  const kept = /^package\/(dist|schema)\/|^package\/(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/;
  expect(names.filter((name) => !kept.test(name))).toEqual([]);
  expect(names.filter((name) => /\.map$|\.test\./.test(name))).toEqual([]);
  expect(readFileSync(archive).length).toBeLessThan(2_000_000);

  const manifest = readFileSync(join(consumer, "node_modules/whittle/package.json"), "utf8");
  expect(Object.keys(JSON.parse(manifest).dependencies)).toEqual(["koffi"]);
  const installed = readdirSync(join(consumer, "node_modules")).filter((name) => !name.startsWith("."));
  expect(installed.filter((name) => !name.startsWith("@")).sort()).toEqual(["koffi", "whittle"]);
});

it("builds by its command", async () => {
  const built = await inConsumer(
    "npx",
    "--no-install",
    "whittle",
    "build",
    "api",
    "--platform",
    "linux/amd64",
    "--progress",
    "quiet",
  );
  expect(built.status, built.stderr).toBe(0);
  expect(built.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
});

it("builds as a library, with types of its own", async () => {
  const source = `import { buildProject, openStore, quietWork, readProject } from "whittle";
const store = await openStore("images", { create: true });
const project = await readProject("api");
const packages: string[] | undefined = project.recipe.images["scratch"]?.packages;
const built = await buildProject(project, { ...quietWork, store, environment: process.env, platforms: ["linux/amd64"] });
console.log(built.map((image) => image.descriptor.digest satisfies string).join(), packages?.length);
`;
  writeFileSync(join(consumer, "consumer.ts"), source);
  writeFileSync(join(consumer, "wrong.ts"), source.replace("string[] | undefined", "number"));
  mkdirSync(join(consumer, "node_modules/@types"), { recursive: true });
  symlinkSync(join(root, "node_modules/@types/node"), join(consumer, "node_modules/@types/node"));
  // Without skipLibCheck: the declarations have to stand for themselves.
  const options = [
    "--noEmit",
    "--strict",
    "--module",
    "nodenext",
    "--target",
    "es2024",
    "--types",
    "node",
    "--allowImportingTsExtensions",
    "--exactOptionalPropertyTypes",
  ];
  const checked = await inConsumer("tsc", ...options, "consumer.ts");
  expect(checked.stdout).toBe("");
  const wrong = await inConsumer("tsc", ...options, "wrong.ts");
  expect(wrong.stdout).toMatch(/wrong\.ts\(4,\d+\): error TS2322/);

  const ran = await inConsumer("node", "consumer.ts");
  expect(ran.status, ran.stderr).toBe(0);
  expect(ran.stdout).toMatch(/^sha256:[0-9a-f]{64} /);
});
