import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Finished, program, run, startWhittle, temporary, whittle } from "./program.ts";

// Every verb as a person calls it: what --help says, the shape of --format json, and the exit status.

let directory = "";
let store = "";

const call = (...words: string[]): Promise<Finished> => whittle(store, words, { cwd: directory });

async function json(...words: string[]): Promise<unknown> {
  const finished = await call(...words, "--format", "json");
  expect(finished.status, finished.stderr).toBe(0);
  return JSON.parse(finished.stdout);
}

const digest = expect.stringMatching(/^sha256:[0-9a-f]{64}$/);
const recipe = `images:
  one:
    from: { debian: bookworm, security: false, updates: false }
    packages: [busybox]
    roots: [/bin/busybox]
    config: { entrypoint: [/bin/busybox], command: [sleep, "1000"] }
`;

beforeAll(async () => {
  directory = temporary();
  store = join(directory, "store");
  mkdirSync(join(directory, "app"));
  writeFileSync(join(directory, "app/whittle.yaml"), recipe);
  const built = await call("build", "app", "-t", "one:1", "--platform", "linux/amd64");
  expect(built.status, built.stderr).toBe(0);
  expect(built.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const verbs = [
  "build",
  "bootstrap",
  "run",
  "ps",
  "logs",
  "exec",
  "stop",
  "rm",
  "volume",
  "images",
  "tag",
  "rmi",
  "inspect",
  "tree",
  "why",
  "diff",
  "store",
  "doctor",
  "completion",
];

describe("help", () => {
  it.each(verbs)("of %s has a purpose, explained options and examples", async (verb) => {
    const { status, stdout } = await call(verb, "--help");
    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Usage: whittle ${verb} `));
    expect(stdout.split("Examples:\n")[1]?.match(/^ {2}.*whittle /gm)?.length).toBeGreaterThanOrEqual(2);
    expect(stdout).not.toMatch(/undefined|\(default: \[\]\)/);
    expect(stdout).toContain("--progress <mode>");
    // An option without a word about it would end its line.
    expect(stdout).not.toMatch(/^ {2}(-\w, )?--[\w-]+( <[^>]+>)?$/m);
  });

  it("is the same by `help VERB`; all verbs are listed", async () => {
    expect((await call("help", "tag")).stdout).toBe((await call("tag", "--help")).stdout);
    const { status, stdout } = await call("--help");
    expect(status).toBe(0);
    for (const verb of verbs) expect(stdout).toMatch(new RegExp(`^ {2}${verb} {2,}\\w`, "m"));
    expect((await call("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await call()).status).toBe(2);
  });
});

describe("json", () => {
  it("of images, inspect, tree, why and diff", async () => {
    expect(await json("images", "one")).toEqual([
      { reference: "one:1", digest, platforms: ["linux/amd64"], size: expect.any(Number) },
    ]);
    expect(await json("inspect", "one:1")).toMatchObject({
      reference: "one:1",
      digest,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      images: [
        {
          platform: "linux/amd64",
          config: { Entrypoint: ["/bin/busybox"] },
          layers: [{ digest, diffId: digest }],
        },
      ],
    });
    expect(await json("tree", "one:1", "/usr/bin")).toContainEqual(
      expect.objectContaining({
        path: "/usr/bin/busybox",
        type: "file",
        mode: "0755",
        layer: 1,
        origin: expect.objectContaining({ kind: "package", name: "busybox" }),
      }),
    );
    expect(await json("why", "one:1", "/usr/bin/busybox")).toMatchObject({
      path: "/usr/bin/busybox",
      kept: true,
      chain: expect.arrayContaining([
        expect.objectContaining({ to: expect.any(String), text: expect.any(String) }),
      ]),
    });
    expect(JSON.stringify(await json("diff", "one:1", "one:1"))).not.toContain("undefined");
  });

  it("of tag, rmi, store, ps and doctor", async () => {
    expect(JSON.stringify(await json("tag", "one:1", "two:1"))).toContain("two:1");
    expect(JSON.stringify(await json("rmi", "two:1"))).toContain("two:1");
    expect(await json("store", "du")).toMatchObject({
      images: expect.any(Number),
      bytes: expect.any(Number),
    });
    expect(Array.isArray(await json("ps", "--all"))).toBe(true);
    expect(await json("doctor")).toMatchObject({
      ready: expect.any(Boolean),
      findings: expect.arrayContaining([{ topic: "node", status: "ok", found: expect.any(String) }]),
    });
  });

  it("of progress is one event on each line of standard error, errors included", async () => {
    const built = await call("build", "app", "--progress", "json", "--platform", "linux/amd64");
    const events = built.stderr.split("\n").filter((line) => line.startsWith("{"));
    expect(events.map((line) => JSON.parse(line).kind)).toContain("done");
    const failed = await call("--progress", "json", "inspect", "nothing");
    expect(JSON.parse(failed.stderr)).toMatchObject({ kind: "error", code: "NOT_FOUND" });
  });
});

describe("exit status", () => {
  it("1 when the answer is no", async () => {
    expect((await call("diff", "one:1", "one:1", "--exit-code")).status).toBe(0);
    writeFileSync(join(directory, "app/whittle.yaml"), recipe.replace("1000", "2000"));
    await call("build", "app", "-t", "other:1", "--platform", "linux/amd64");
    expect((await call("diff", "one:1", "other:1", "--exit-code")).status).toBe(1);
  });

  it.each([
    [["images", "--frmat", "json"], 2],
    [["inspect", "nothing:1"], 2],
    [["--store", "/dev/null/store", "images"], 2],
    [["inspect", "oci-archive:/etc/hostname"], 4],
    [["why", "one:1", "/never"], 2],
  ] as const)("of %j is %i, without a stack trace", async (words, status) => {
    const finished = await call(...words);
    expect(finished.status, finished.stderr).toBe(status);
    expect(finished.stderr).toMatch(/^whittle: /m);
    expect(finished.stderr).not.toMatch(/\n {4}at |Internal error/);
  });

  it("130 when interrupted", async () => {
    writeFileSync(join(directory, "app/whittle.yaml"), recipe);
    const mirror = createServer().listen(0, "127.0.0.1");
    const asked = once(mirror, "connection");
    await once(mirror, "listening");
    const { port } = mirror.address() as AddressInfo;
    const running = startWhittle(store, ["build", "app", "--no-cache"], {
      cwd: directory,
      env: {
        DEBIAN_MIRROR: `http://127.0.0.1:${port}/debian`,
        XDG_CACHE_HOME: join(directory, "no-cache"),
      },
    });
    // It never answers.
    const [waiting] = (await asked) as [Socket];
    running.kill("SIGINT");
    const { status, stderr } = await running.finished;
    expect(status, stderr).toBe(130);
    expect(stderr).toMatch(/Interrupted/);
    waiting.destroy();
    mirror.close();
  });
});

describe("output", () => {
  const shell = (command: string): Promise<Finished> =>
    run(["bash", "-c", command], {
      env: { ...process.env, WHITTLE_STORE: store, W: `${process.execPath} ${program}` },
    });

  it("may be closed at any time", async () => {
    for (const command of ["$W images | head -0", "$W tree one:1 | head -1", "$W images >&-"]) {
      const { status, stderr } = await shell(`set -o pipefail; ${command}`);
      expect({ command, status, stderr }).toEqual({ command, status: 0, stderr: "" });
    }
  });

  it("of help may be closed at any time, of every verb", async () => {
    const listed = (await call("--help")).stdout.split("Commands:\n")[1] ?? "";
    const names = [...listed.matchAll(/^ {2}([a-z]+) /gm)].flatMap(([, name = "help"]) =>
      name === "help" ? [] : name,
    );
    expect(names).toEqual(expect.arrayContaining([...verbs, "push", "serve"]));
    // Nobody reads any more when the program starts to write.
    const each = names.map((name) => `$W ${name} --help | true || echo "${name}: $?"`);
    const { status, stdout, stderr } = await shell(
      `set -o pipefail; $W --help | true; $W --help | head -1; ${each.join("; ")}`,
    );
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^Usage: .*\n$/),
      stderr: "",
    });
  });

  it("that cannot be written is an error", async () => {
    const { status, stderr } = await shell("$W tree one:1 >/dev/full");
    expect(status).toBe(3);
    expect(stderr).toMatch(/^whittle: Cannot write to standard output: no space is left/);
  });

  it("replaces files only, never a device or a directory", async () => {
    execFileSync("mkfifo", [join(directory, "fifo")]);
    for (const place of [join(directory, "fifo"), directory]) {
      const finished = await call(
        "build",
        "app",
        "--platform",
        "linux/amd64",
        "-o",
        `type=tar,dest=${place}`,
      );
      expect(finished.status).toBe(2);
      expect(finished.stderr).toContain(`Cannot write ${place}: it is a d`);
    }
  });

  it("completes names of images where they are wanted, and never makes a store", async () => {
    const script = join(directory, "names.bash");
    writeFileSync(script, (await call("completion", "bash")).stdout);
    for (const name of ["web:1", "web:2"]) await call("tag", "one:1", name);
    const completed = async (line: string): Promise<string[]> => {
      const { stdout, stderr } = await shell(
        `whittle() { $W "$@"; }; source ${script}; COMP_LINE='${line}' COMP_POINT=${line.length}; _whittle; printf '%s\\n' "\${COMPREPLY[@]}"`,
      );
      expect(stderr).toBe("");
      return stdout.trimEnd().split("\n");
    };
    // Readline puts in place what follows the last colon.
    expect(await completed("whittle run --rm -p 80:80 web:")).toEqual(["1", "2"]);
    expect(await completed("whittle diff one:1 we")).toEqual(["web:1", "web:2"]);
    expect(await completed(`whittle --store ${store} tree on`)).toEqual(["one:1"]);
    expect(await completed("whittle tag --for")).toEqual(["--format"]);
    // The second word of run is a command, that of -p a port.
    for (const line of ["whittle run one:1 we", "whittle run -p we"])
      expect(await completed(line)).toEqual([""]);
    expect(await completed(`whittle --store ${directory}/absent rmi we`)).toEqual([""]);
    expect(existsSync(join(directory, "absent"))).toBe(false);
    await call("rmi", "web:1", "web:2");
  });

  it("completes names of volumes, and of the images of a recipe", async () => {
    const names = async (...words: string[]): Promise<string[]> =>
      (await call("completion", "names", "--", ...words)).stdout.split("\n").filter((name) => name !== "");
    const volumes = ["complete-a", "complete-b"];
    expect((await call("volume", "create", ...volumes)).status).toBe(0);
    try {
      for (const words of [
        ["volume", "rm"],
        ["volume", "inspect", "complete-a"],
        ["run", "-v"],
      ]) {
        expect(await names(...words)).toEqual(expect.arrayContaining(volumes));
      }
      expect(await names("volume", "create")).toEqual([]);
      expect(await names("volume")).toEqual([]);
    } finally {
      expect((await call("volume", "rm", ...volumes)).status).toBe(0);
    }
    const recipe = join(directory, "several");
    mkdirSync(recipe);
    const image = "{ packages: [busybox-static] }";
    const file = join(recipe, "whittle.yaml");
    writeFileSync(file, `name: several\nimages: { web: ${image}, api: ${image} }\n`);
    expect(await names("build", recipe, "--image")).toEqual(["api", "web"]);
    expect(await names("build", "--image", "web", "-f", file, recipe, "--image")).toEqual(["api", "web"]);
    expect(await names("run", recipe, "--image")).toEqual(["api", "web"]);
    expect(await names("build", join(recipe, "absent"), "--image")).toEqual([]);
    expect(await names("build")).toEqual([]);
  });

  it("has completions that are valid and complete", async () => {
    const script = join(directory, "completion.bash");
    writeFileSync(script, (await call("completion", "bash")).stdout);
    const { status, stdout, stderr } = await shell(`bash -n ${script} && source ${script} &&
      f=$(complete -p whittle | sed 's/.*-F \\([^ ]*\\).*/\\1/') &&
      COMP_WORDS=(whittle bu) COMP_CWORD=1 COMP_LINE="whittle bu" COMP_POINT=10 && $f whittle bu whittle; echo "\${COMPREPLY[*]}"`);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^build\s*$/m);
    for (const other of ["zsh", "fish"])
      expect((await call("completion", other)).stdout).toContain("whittle");
  });
});
