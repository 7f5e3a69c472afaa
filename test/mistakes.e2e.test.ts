import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run, temporary, whittle } from "./program.ts";

let directory = "";

beforeAll(() => {
  directory = temporary();
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Mistake {
  readonly name: string;
  readonly recipe: string;
  readonly status: number;
  readonly says: readonly RegExp[];
  readonly files?: Readonly<Record<string, string>>;
  readonly words?: readonly string[];
}

const image = (body: string): string => `images:\n  a:\n    from: { debian: bookworm }\n${body}`;

const mistakes: readonly Mistake[] = [
  {
    name: "an unknown package",
    recipe: image("    packages: [ngnix]\n"),
    status: 4,
    says: [/whittle\.yaml:\d+:16\n/, /no package.*ngnix|ngnix/i, /nginx/],
  },
  {
    name: "a package that one architecture lacks",
    recipe: image("    packages: [grub-efi-amd64-bin]\n    platforms: [linux/s390x]\n"),
    status: 4,
    says: [/grub-efi-amd64-bin/, /s390x/],
  },
  {
    name: "packages that exclude each other",
    recipe: image("    packages: [exim4-daemon-light, postfix]\n"),
    status: 4,
    says: [/exim4-daemon-light/, /postfix/],
  },
  {
    name: "a version that there is not",
    recipe: image("    packages: [busybox=9.9.9]\n"),
    status: 4,
    says: [/busybox/, /9\.9\.9/],
  },
  { name: "a recipe that is no YAML", recipe: "images: [\n", status: 2, says: [/whittle\.yaml:\d+:\d+/] },
  {
    name: "an unknown key",
    recipe: image("    pakages: [busybox]\n"),
    status: 2,
    says: [/whittle\.yaml:4:5/, /pakages: \[busybox\]/, /did you mean "packages"/],
  },
  {
    name: "a root that is not there",
    recipe: image("    packages: [busybox]\n    roots: [/usr/sbin/nginx]\n"),
    status: 4,
    says: [/\/usr\/sbin\/nginx/],
  },
  {
    name: "a file outside the context",
    recipe: image("    packages: [busybox]\n    files: [{ from: ../../etc/passwd, to: /x }]\n"),
    status: 2,
    says: [/\.\.\/\.\.\/etc\/passwd/, /context/],
  },
  {
    name: "a link that leads out of the context",
    recipe: image("    packages: [busybox]\n    files: [{ from: escape, to: /x }]\n"),
    status: 2,
    says: [/escape/, /leads out/],
  },
  {
    name: "a file that is not there",
    recipe: image("    packages: [busybox]\n    files: [{ from: nothing.txt, to: /x }]\n"),
    status: 2,
    says: [/nothing\.txt/, /no such file/],
  },
  {
    name: "an expired release",
    recipe:
      "images:\n  a:\n    from: { debian: forky, security: false, updates: false }\n    packages: [busybox]\n",
    status: 4,
    says: [/forky/, /expired|Valid-Until/i, /acceptExpired: true/],
  },
  {
    name: "a platform that the suite lacks",
    recipe: image("    packages: [busybox]\n    platforms: [linux/riscv64]\n"),
    status: 2,
    says: [/riscv64/, /amd64, arm64/],
  },
  {
    name: "a platform that Debian lacks",
    recipe: image("    packages: [busybox]\n    platforms: [linux/sparc]\n"),
    status: 2,
    says: [/linux\/sparc/, /possible platforms: linux\/amd64/],
  },
  {
    name: "a suite that there is not",
    recipe: "images:\n  a:\n    from: { debian: trixy }\n    packages: [busybox]\n",
    status: 2,
    says: [/trixy/, /trixie, bookworm/],
  },
  {
    name: "an image that there is not",
    recipe: image("    packages: [busybox]\n"),
    words: ["--image", "b"],
    status: 2,
    says: [/"b"/, /it has: a/],
  },
  {
    name: "an unknown option",
    recipe: image(""),
    words: ["--platfrom", "x"],
    status: 2,
    says: [/--platform/],
  },
  {
    name: "a recipe that is a program",
    recipe: "\u007fELF\u0002\u0001\u001b[2J\u0007images",
    status: 2,
    says: [/whittle\.yaml:1:1/, /^[\P{Cc}\n]*$/u],
  },
  {
    name: "two recipes in one file",
    recipe: "images: {}\n---\nimages: {}\n",
    status: 2,
    says: [/whittle\.yaml:2:1/, /one is wanted/],
  },
  {
    name: "a recipe indented by tabs",
    recipe: "images:\n\ta: {}\n",
    status: 2,
    says: [/whittle\.yaml:2:1/, /tabs are not allowed/],
  },
  {
    name: "a recipe of the wrong kind",
    recipe: "images:\n  a:\n    packages: busybox\n",
    status: 2,
    says: [/whittle\.yaml:3:15/, /a list is wanted/],
  },
  {
    name: "a recipe beyond all measure",
    recipe: `# ${"x".repeat(2_000_000)}`,
    status: 2,
    says: [/at most 1048576/],
  },
  {
    name: "aliases that multiply",
    recipe: `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nimages: [*c,*c,*c,*c,*c,*c]\n`,
    status: 2,
    says: [/whittle\.yaml:1:1/],
  },
  {
    name: "a name that the store cannot give",
    recipe: image("    packages: [busybox]\n"),
    words: ["-t", "UPPER:1"],
    status: 2,
    says: [/^whittle: Cannot read the image reference "UPPER:1"/],
  },
  {
    name: "a place instead of a name",
    recipe: image("    packages: [busybox]\n"),
    words: ["-t", "oci:out"],
    status: 2,
    says: [/^whittle: .*"oci:out"/, /-o type=oci/],
  },
  {
    name: "a list of no platforms",
    recipe: image("    packages: [busybox]\n"),
    words: ["--platform", ","],
    status: 2,
    says: [/--platform ","/],
  },
  {
    name: "an output that there is not",
    recipe: image(""),
    words: ["-o", "type=zip,dest=x"],
    status: 2,
    says: [/zip/, /store\|.*oci\|docker/],
  },
];

describe("a mistake is explained", () => {
  it.each(mistakes)("$name", async ({ name, recipe, status, says, words = [] }) => {
    const context = join(directory, name.replace(/ /g, "-"));
    mkdirSync(context, { recursive: true });
    writeFileSync(join(context, "whittle.yaml"), recipe);
    symlinkSync("/etc/passwd", join(context, "escape"));
    const finished = await whittle(join(directory, "store"), ["build", context, ...words]);
    expect({ status: finished.status, stdout: finished.stdout }, finished.stderr).toEqual({
      status,
      stdout: "",
    });
    for (const pattern of says) expect(finished.stderr).toMatch(pattern);
    expect(finished.stderr).not.toMatch(/\n {4}at |Internal error/);
  });

  it("a directory that is not there, or has nothing to build", async () => {
    const finished = await whittle(join(directory, "store"), ["build", join(directory, "nowhere")]);
    expect(finished.status).toBe(2);
    expect(finished.stderr).toMatch(/Cannot build \S+nowhere: no such file or directory\nhint: /);
    mkdirSync(join(directory, "bare"));
    const bare = await whittle(join(directory, "store"), ["build", join(directory, "bare")]);
    expect(bare.status).toBe(2);
    expect(bare.stderr).toMatch(/neither a whittle\.yaml nor a Dockerfile\nhint: -f FILE/);
  });

  it("an unknown verb", async () => {
    const finished = await whittle(join(directory, "store"), ["biuld"]);
    expect(finished.status).toBe(2);
    expect(finished.stderr).toMatch(/Did you mean build/);
  });

  it("a mirror that is down", async () => {
    const context = join(directory, "down");
    mkdirSync(context, { recursive: true });
    writeFileSync(join(context, "whittle.yaml"), image("    packages: [busybox]\n"));
    const finished = await whittle(join(directory, "store"), ["build", context], {
      env: { DEBIAN_MIRROR: "http://127.0.0.1:9/debian", XDG_CACHE_HOME: join(directory, "cache") },
    });
    expect(finished.status).toBe(3);
    expect(finished.stderr).toMatch(/127\.0\.0\.1:9/);
  });

  it("a store that cannot be written", async () => {
    for (const place of ["/proc/whittle", "/dev/null/whittle"]) {
      const finished = await whittle(place, ["images"]);
      expect(finished.status, finished.stderr).toBeGreaterThan(1);
      expect(finished.stderr).toContain(place);
    }
  });

  it("an environment file that is not there, which Node would have looked for itself", async () => {
    const program = join(import.meta.dirname, "../dist/whittle.js");
    const path = `${dirname(process.execPath)}:${process.env["PATH"]}`;
    const finished = await run([program, "run", "--env-file", "/nowhere.env", "x"], {
      env: { ...process.env, PATH: path, WHITTLE_STORE: join(directory, "store") },
    });
    expect(finished.status, finished.stderr).toBe(2);
    expect(finished.stderr).toMatch(
      /^whittle: Cannot read the environment file \/nowhere\.env: no such file/,
    );
  });

  it("an older Node", async () => {
    const finished = await run(["sh", "-c", "exec /usr/bin/node dist/whittle.js --version"], {
      cwd: join(import.meta.dirname, ".."),
    });
    if (finished.status === 127) {
      process.stdout.write("notice: this machine has no Node of its own in /usr/bin; nothing older to try\n");
      return;
    }
    expect([0, 3]).toContain(finished.status);
    if (finished.status === 3) expect(finished.stderr).toMatch(/^whittle: Cannot run on Node .*\n$/);
  });
});
