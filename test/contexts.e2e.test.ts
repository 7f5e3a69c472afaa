import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Finished, temporary, whittle } from "./program.ts";

// What names in Dockerfiles stand for. Everything is made of files alone: no archive, no registry, nothing is run.

let directory = "";

beforeEach(() => {
  directory = temporary();
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    const place = join(directory, path);
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, text);
  }
}

function build(...words: string[]): Promise<Finished> {
  return whittle(join(directory, "store"), ["build", ...words]);
}

/** The files of an image by path. */
async function filesOf(image: string): Promise<string[]> {
  const { stdout, stderr, status } = await whittle(join(directory, "store"), [
    "tree",
    image,
    "--format",
    "json",
  ]);
  expect(status, stderr).toBe(0);
  return [...stdout.matchAll(/"path": ?"([^"]+)"/g)].map(([, path]) => path ?? "").sort();
}

const bases = {
  "bases/one/whittle.yaml": `images: { only: { files: [{ content: one, to: /one }], config: { labels: { base: one } } } }`,
  "bases/two/whittle.yaml": `
name: two
images:
  other: { files: [{ content: other, to: /other }] }
  two: { files: [{ content: two, to: /two }] }
`,
};

describe("contexts of a project", () => {
  it("are recorded, and a locked build is held to what was recorded", async () => {
    const app = join(directory, "app");
    const base = (text: string): string => `images: { only: { files: [{ content: ${text}, to: /one }] } }`;
    write({
      "base/whittle.yaml": base("one"),
      "app/whittle.yaml": `
images: { first: { dockerfile: Dockerfile, target: first }, second: { dockerfile: Dockerfile } }
contexts: { base: { image: ../base } }
`,
      "app/Dockerfile": "FROM base AS first\nCOPY . /\nFROM base\nCOPY whittle.yaml /\n",
    });
    const unrecorded = await build(app, "--locked");
    expect([unrecorded.status, unrecorded.stderr]).toEqual([2, expect.stringContaining("there is no")]);
    const first = await build(app);
    expect(first.status, first.stderr).toBe(0);
    const lock = JSON.parse(readFileSync(join(app, "whittle.lock"), "utf8")) as {
      dockerfiles: Record<string, { bases: Record<string, Record<string, string>> }>;
    };
    expect(Object.keys(lock.dockerfiles)).toEqual(["Dockerfile#first", "Dockerfile#second"]);
    expect(lock.dockerfiles["Dockerfile#first"]?.bases["base"]).toEqual({
      [`linux/${process.arch === "x64" ? "amd64" : process.arch}`]: expect.stringMatching(/^sha256:/),
    });
    expect(await filesOf("app:first")).not.toContain("/whittle.lock");
    expect((await build(app, "--locked")).stdout).toBe(first.stdout);
    write({ "base/whittle.yaml": base("another") });
    const changed = await build(app, "--locked", "--image", "second");
    expect([changed.status, changed.stderr]).toEqual([4, expect.stringContaining("whittle.lock records")]);
    expect((await build(app, "--image", "second")).status).toBe(0);
    expect((await build(app, "--locked", "--image", "second")).status).toBe(0);
    expect((await build(app, "--locked", "--image", "first")).stderr).toContain("whittle.lock records");
    write({
      "app/Dockerfile.new": "FROM base\n",
      "app/whittle.yaml": `
images: { third: { dockerfile: Dockerfile.new } }
contexts: { base: { image: ../base } }
`,
    });
    const unknown = await build(app, "--locked");
    expect([unknown.status, unknown.stderr]).toEqual([2, expect.stringContaining("does not record")]);
    expect((await build(app)).status).toBe(0);
    const last = readFileSync(join(app, "whittle.lock"), "utf8");
    expect(last).toContain('"Dockerfile.new#third"');
    expect(last).not.toContain('"Dockerfile#');
  });

  it("are described and not built by a dry run, of the project and of its Dockerfile", async () => {
    write({
      ...bases,
      "app/whittle.yaml": `
images: { app: { dockerfile: Dockerfile } }
contexts: { base: { image: ../bases/one } }
`,
      "app/Dockerfile": "FROM base\nCOPY Dockerfile /\n",
    });
    const app = join(directory, "app");
    for (const words of [[app], ["-f", join(app, "Dockerfile"), app]]) {
      const { status, stdout, stderr } = await build(...words, "--dry-run");
      expect(status, stderr).toBe(0);
      expect(stdout).toMatch(/^#\d+ files .*\/one/m);
      expect(stdout).toMatch(/^#\d+ copy /m);
      expect(stderr).not.toContain("write the layer");
    }
    const blobs = join(directory, "store/blobs/sha256");
    expect(existsSync(blobs) ? readdirSync(blobs) : []).toEqual([]);
  });

  it("stand for images of other projects, of its own, and for directories", async () => {
    write({
      ...bases,
      "wheels/a.whl": "a",
      "app/whittle.yaml": `
images:
  single: { dockerfile: Dockerfile }
  multi: { dockerfile: Dockerfile.multi, config: { labels: { of: "\${name}" } } }
contexts:
  python:3.13-slim: { image: ../bases/one }
  docker.io/library/tools: { image: "../bases/two#other" }
  registry.example/two:1: { project: ../bases/two }
  wheels: { directory: ../wheels }
  mine: { image: single }
`,
      "app/Dockerfile": "FROM docker.io/library/python:3.13-slim\nCOPY Dockerfile /single\n",
      "app/Dockerfile.multi": `FROM scratch AS wheels
FROM mine
COPY --from=wheels a.whl /wheels/
COPY --from=tools:latest /other /from-tools
COPY --from=registry.example/two:1 /two /from-two
`,
    });
    const built = await build(join(directory, "app"));
    expect(built.status, built.stderr).toBe(0);
    expect(await filesOf("app:multi")).toEqual([
      "/from-tools",
      "/from-two",
      "/one",
      "/single",
      "/wheels",
      "/wheels/a.whl",
    ]);
    const { stdout } = await whittle(join(directory, "store"), ["inspect", "app:multi", "--format", "json"]);
    expect(stdout).toMatch(/"base": ?"one"/);
    expect(stdout).toMatch(/"of": ?"app"/);

    const again = await build(join(directory, "app"));
    expect(again.stdout).toBe(built.stdout);
    write({
      "bases/one/whittle.yaml": bases["bases/one/whittle.yaml"].replace("content: one", "content: 1"),
    });
    const changed = await build(join(directory, "app"));
    expect(changed.stdout).not.toBe(built.stdout);
  });

  it("are heeded by a build of a Dockerfile beside them, for the platform that it is for", async () => {
    write({
      ...bases,
      "app/whittle.yaml": "images: { a: { dockerfile: D } }\ncontexts: { python: { image: ../bases/one } }\n",
      "app/D": "FROM python\nCOPY D /\n",
      "app/E": "FROM python\nCOPY --from=python one /copied\n",
    });
    const built = await build(
      join(directory, "app"),
      "-f",
      join(directory, "app/E"),
      "-t",
      "e:1",
      "--platform",
      "linux/arm64",
    );
    expect(built.status, built.stderr).toBe(0);
    expect(await filesOf("e:1")).toEqual(["/copied", "/one"]);
    const { stdout } = await whittle(join(directory, "store"), ["inspect", "e:1", "--format", "json"]);
    expect(stdout).toMatch(/arm64/);
  });

  it("come after what the command line gives, and an image's own before the project's", async () => {
    write({
      ...bases,
      "given/given": "x",
      "app/whittle.yaml": `
images:
  a: { dockerfile: Dockerfile }
  b: { dockerfile: Dockerfile, contexts: { base: { image: "../bases/two#two" } } }
contexts: { base: { image: ../bases/one } }
`,
      "app/Dockerfile": "FROM base\nCOPY Dockerfile /d\n",
    });
    expect((await build(join(directory, "app"))).status).toBe(0);
    expect([await filesOf("app:a"), await filesOf("app:b")]).toEqual([
      ["/d", "/one"],
      ["/d", "/two"],
    ]);
    const given = await build(
      join(directory, "app"),
      "--image",
      "a",
      "--build-context",
      `base=${join(directory, "given")}`,
    );
    expect(given.status, given.stderr).toBe(0);
    expect(await filesOf("app:a")).toEqual(["/d", "/given"]);
  });

  it("may be images of the store", async () => {
    write({
      ...bases,
      "app/whittle.yaml": "images: { a: { dockerfile: D } }\ncontexts: { python: { image: kept:1 } }\n",
      "app/D": "FROM python\nCOPY D /\n",
    });
    const missing = await build(join(directory, "app"));
    expect(missing.status).not.toBe(0);
    expect(missing.stderr).toMatch(/whittle\.yaml:2:13\n.*Cannot use kept:1 as python/s);
    expect((await build(join(directory, "bases/one"), "-t", "kept:1")).status).toBe(0);
    const built = await build(join(directory, "app"));
    expect(built.status, built.stderr).toBe(0);
    expect(await filesOf("app:a")).toEqual(["/D", "/one"]);
  });

  it("are not touched by labels, platforms and caches that are meant for the image itself", async () => {
    write({
      ...bases,
      "app/whittle.yaml": "images: { a: { dockerfile: D } }\ncontexts: { python: { image: ../bases/one } }\n",
      "app/D": "FROM python\nCOPY D /\n",
    });
    const layers = async (): Promise<unknown> => {
      const { stdout } = await whittle(join(directory, "store"), ["inspect", "app:a", "--format", "json"]);
      return stdout.match(/sha256:[0-9a-f]{64}/g)?.length;
    };
    expect((await build(join(directory, "app"))).status).toBe(0);
    const before = await layers();
    const built = await build(join(directory, "app"), "--no-cache", "--label", "x=y");
    expect(built.status, built.stderr).toBe(0);
    expect(built.stderr).not.toMatch(/^✓.*application files/m);
    expect(await layers()).toBe(before);
  });

  it.each([
    ["{ image: ../nowhere }", /whittle\.yaml:3:5\n.*Cannot read the recipe .*nowhere/s],
    ["{ image: ../bases/two#third }", /whittle\.yaml:3:5\n.*has no such image.*#other, #two/s],
    ["{ image: ../bases/three }", /whittle\.yaml:3:5\n.*Cannot choose an image .* it has 2.*#a, #b/s],
    ["{ imag: x }", /whittle\.yaml:3:10\n.*"imag".*did you mean "image"/s],
    ["{ image: a }", /whittle\.yaml:3:5\n.*Cannot build a: it stands on itself, a → a/s],
  ])("points at the entry that is wrong: %s", async (entry, told) => {
    write({
      ...bases,
      "bases/three/whittle.yaml":
        "images: { a: { files: [{ content: a, to: /a }] }, b: { files: [{ content: b, to: /b }] } }",
      "app/whittle.yaml": `images: { a: { dockerfile: D } }\ncontexts:\n    x: ${entry}\n`.replace(
        /image: (\S*#\S*)/,
        'image: "$1"',
      ),
      "app/D": "FROM x\n",
    });
    const { status, stderr } = await build(join(directory, "app"));
    expect(status).not.toBe(0);
    expect(stderr).toMatch(told);
  });

  it("refuses images that stand on each other", async () => {
    write({
      "app/whittle.yaml": `images:
  a: { dockerfile: D, contexts: { x: { image: b } } }
  b: { dockerfile: D, contexts: { x: { image: a } } }
`,
      "app/D": "FROM x\n",
    });
    const { status, stderr } = await build(join(directory, "app"));
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/it stands on itself, (?:a → b → a|b → a → b)/);
  });
});
