import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copyProgram, type Ended, type Identity, identities, SandboxMachine } from "./sandbox-machine.ts";

const secret = "the-value-of-the-secret";
const pem = `-----BEGIN A KEY-----\n${"c2VjcmV0".repeat(8)}\n${"bGluZXMh".repeat(8)}\n-----END A KEY-----\n`;

let machine: SandboxMachine;
let agent: ChildProcess;
let socket: string;

beforeAll(async () => {
  machine = await SandboxMachine.make();
  await copyProgram("ssh-add", machine.rootfs);
  mkdirSync(join(machine.rootfs, "home"));
  socket = join(machine.directory, "agent");
  agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  const key = join(machine.directory, "key");
  execFileSync("ssh-keygen", ["-q", "-N", "", "-C", "a key", "-t", "ed25519", "-f", key]);
  while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 10));
  execFileSync("ssh-add", ["-q", key], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
});
afterAll(async () => {
  agent.kill();
  await once(agent, "close");
  await machine.remove();
});

/** A context with these files beside the small image's. */
function context(
  name: string,
  lines: readonly string[],
  files: Readonly<Record<string, string>> = {},
): string {
  const place = join(machine.directory, name);
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, "Dockerfile"), ["FROM base AS all", ...lines, ""].join("\n"));
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(place, file, ".."), { recursive: true });
    writeFileSync(join(place, file), text);
  }
  return place;
}

const words = (place: string, ...more: readonly string[]): string[] => [
  ...["build", "--progress", "plain", "--build-context", `base=${machine.rootfs}`],
  ...more,
  place,
];

function build(identity: Identity, place: string, ...more: readonly string[]): Promise<Ended> {
  return machine.whittle(identity, words(place, ...more));
}

/** The lines that steps printed. */
const printed = ({ stderr }: Ended): string[] =>
  stderr.split("\n").flatMap((line) => /^#\d+ [\d.]+ (> .*)$/.exec(line)?.[1] ?? []);
const say = (text: string): string => `echo "> ${text}"`;

/** Files that hold a text, below a directory. */
function holds(place: string, text: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(place, { withFileTypes: true })) {
    const path = join(place, entry.name);
    if (entry.isDirectory()) found.push(...holds(path, text));
    else if (entry.isFile() && readFileSync(path).includes(text)) found.push(path);
  }
  return found;
}

/** The paths in the image that a build left, taken apart again. */
async function layerPaths(identity: Identity, place: string, ...more: readonly string[]): Promise<string[]> {
  const out = join(machine.directory, `${identity}/home/out.tar`);
  const ended = await build(identity, place, "-o", `type=tar,dest=${out}`, ...more);
  expect(ended).toMatchObject({ status: 0 });
  const listed = execFileSync("tar", ["-tf", out], { encoding: "utf8" });
  return listed.split("\n").filter((path) => path !== "");
}

type Test = (name: string, test: () => Promise<void>) => void;
const notHere: Test = () => undefined;

describe.each(identities)("mounts of RUN, as %s", (identity) => {
  // With a single id there is no other user to give anything to.
  const unlessSingle: Test = identity === "single" ? notHere : it;
  // An agent answers to its own user and to root.
  const asRoot: Test = identity === "root" ? it : notHere;

  const home = (): string => join(machine.directory, identity);

  describe("a secret", () => {
    it("is a file for one step, of the mode and owner that are wanted", async () => {
      const place = context(`${identity}-secret`, [
        `RUN --mount=type=secret,id=one ${say("$(stat -c '%a %u:%g %s' /run/secrets/one)")}`,
        `RUN --mount=type=secret,id=one,target=/srv/deep/one,mode=0444 ${say("$(stat -c '%a %s' /srv/deep/one)")}; ${say("$(ls /run)")}`,
        `RUN ${say("$(ls /run /srv)")}`,
      ]);
      writeFileSync(join(machine.directory, "one"), secret);
      const ended = await build(identity, place, "--secret", `id=one,src=${machine.directory}/one`);
      expect(ended.status).toBe(0);
      expect(printed(ended)).toEqual([
        `> 400 0:0 ${secret.length}`,
        `> 444 ${secret.length}`,
        "> ",
        "> /srv:",
      ]);
    });

    unlessSingle("belongs to another user, who reads it", async () => {
      const place = context(`${identity}-owned`, [
        "USER web",
        `RUN --mount=type=secret,id=one,uid=10001,gid=44 ${say("$(stat -c '%a %u:%g' /run/secrets/one) $(wc -c < /run/secrets/one)")}`,
        "RUN --mount=type=secret,id=one cat /run/secrets/one",
      ]);
      writeFileSync(join(machine.directory, "one"), secret);
      const ended = await build(identity, place, "--secret", `id=one,src=${machine.directory}/one`);
      expect(printed(ended)).toEqual([`> 400 10001:44 ${secret.length}`]);
      expect(ended.stderr).toContain("Permission denied");
    });

    it("is a variable, and a file with it only where that is said", async () => {
      const place = context(`${identity}-env`, [
        `RUN --mount=type=secret,id=one,env=ONE ${say("${#ONE}")}; ls /run/secrets || ${say("no file")}`,
        `RUN --mount=type=secret,id=one,env=ONE,target=/one ${say("${#ONE} $(wc -c < /one)")}`,
        `RUN ${say("${ONE-unset}")}`,
      ]);
      writeFileSync(join(machine.directory, "one"), secret);
      const ended = await build(identity, place, "--secret", `id=one,src=${machine.directory}/one`);
      const { length } = secret;
      expect(printed(ended)).toEqual([`> ${length}`, "> no file", `> ${length} ${length}`, "> unset"]);
    });

    it("is nowhere but in the step's memory, not even while the step runs", async () => {
      const place = context(`${identity}-hidden`, [
        "RUN --mount=type=secret,id=one --mount=type=secret,id=two,env=TWO --mount=type=cache,target=/signal \\",
        `  rm -f /signal/go; echo "> re""ady"; until [ -e /signal/go ]; do sleep 0.05; done; cat /run/secrets/one; echo $TWO; echo "$TWO" >&2; false`,
      ]);
      writeFileSync(join(machine.directory, "one"), secret);
      writeFileSync(join(machine.directory, "two"), pem);
      const metadata = join(home(), "home/metadata.json");
      const child = machine.spawn(
        identity,
        [
          ...words(place, "--secret", `id=one,src=${machine.directory}/one`),
          ...["--secret", `id=two,src=${machine.directory}/two`],
          ...["--metadata-file", metadata],
        ],
        { stdio: ["ignore", "pipe", "pipe"] },
      );
      let all = "";
      child.stderr?.on("data", (chunk) => {
        all += chunk;
      });
      child.stdout?.on("data", (chunk) => {
        all += chunk;
      });
      while (!all.includes("> ready")) await once(child.stderr ?? child, "data");
      const second = pem.split("\n")[1] ?? "";
      expect([...holds(home(), secret), ...holds(home(), second)]).toEqual([]);
      const caches = join(home(), "home/.cache/whittle/mounts");
      for (const name of readdirSync(caches)) writeFileSync(join(caches, name, "0/files/go"), "");
      const [status] = (await once(child, "close")) as [number];
      expect(status).toBe(4);
      expect(all).toContain("| ***");
      for (const text of [secret, ...pem.trim().split("\n")]) expect(all).not.toContain(text);
      expect([...holds(home(), secret), ...holds(home(), second)]).toEqual([]);
    });

    it("counts for no key, and is in no event", async () => {
      const place = context(`${identity}-key`, [
        `RUN --mount=type=secret,id=one,env=ONE cat /run/secrets/one; echo "$ONE"; echo "> r""an"`,
      ]);
      writeFileSync(join(machine.directory, "one"), secret);
      const given = ["--secret", `id=one,src=${machine.directory}/one`, "--progress", "json"];
      const first = await build(identity, place, ...given);
      expect(first.stderr).toContain("> ran");
      expect(first.stderr).toContain("***");
      expect(first.stderr + first.stdout).not.toContain(secret);
      writeFileSync(join(machine.directory, "one"), `another-${secret}`);
      const second = await build(identity, place, ...given);
      expect(second.stderr).not.toContain("> ran");
      expect(second.stdout).toBe(first.stdout);
    });

    it("that was not given is an error where it is required, and else absent", async () => {
      const place = context(`${identity}-missing`, [
        `RUN --mount=type=secret,id=one --mount=type=secret,id=two,env=TWO ls /run/secrets || ${say("none$TWO")}`,
        "RUN --mount=type=secret,id=one,required=true true",
      ]);
      const ended = await build(identity, place);
      expect(printed(ended)).toEqual(["> none"]);
      expect(ended).toMatchObject({
        status: 2,
        stderr: expect.stringContaining("the secret one was not given"),
      });
      expect(ended.stderr).toContain("Dockerfile:3:1");
      expect(ended.stderr).toContain("--secret id=one,src=FILE");
    });
  });

  describe("an ssh agent", () => {
    it("answers to the step, at the place that is wanted", async () => {
      const place = context(`${identity}-ssh`, [
        `RUN --mount=type=ssh ${say("$SSH_AUTH_SOCK $(ssh-add -l)")}`,
        `RUN --mount=type=ssh,id=other,target=/agent,mode=0666 ${say("$(stat -c %a /agent) $(ssh-add -l)")}`,
        `RUN ${say("${SSH_AUTH_SOCK-unset} $(ls /run /agent)")}`,
      ]);
      if (identity !== "root") chmodSync(socket, 0o666);
      const key = join(machine.directory, "key");
      if (identity !== "root") chmodSync(key, 0o644);
      const ended = await build(identity, place, "--ssh", `default=${key}`, "--ssh", `other=${key}`);
      const listed = execFileSync("ssh-keygen", ["-lf", `${key}.pub`], { encoding: "utf8" }).trim();
      expect(printed(ended)).toEqual([
        `> /run/buildkit/ssh_agent.0 ${listed}`,
        `> 666 ${listed}`,
        "> unset ",
      ]);
      chmodSync(key, 0o600);
    });

    asRoot("is the person's own, with its keys and nothing more", async () => {
      const place = context(`${identity}-own`, [
        `RUN --mount=type=ssh,required=true ${say("$(ssh-add -l)")}; ssh-add -D || ${say("kept")}`,
      ]);
      const ended = await build(identity, place, "--ssh", `default=${socket}`);
      expect(printed(ended)).toEqual([expect.stringContaining("a key (ED25519)"), "> kept"]);
    });

    unlessSingle("answers to another user of the step", async () => {
      const place = context(`${identity}-user`, [
        "USER web",
        `RUN --mount=type=ssh,uid=10001 ${say("$(stat -c '%a %u' $SSH_AUTH_SOCK) $(ssh-add -l)")}`,
        `RUN --mount=type=ssh ssh-add -l || ${say("refused")}`,
      ]);
      const key = join(machine.directory, "key");
      chmodSync(key, 0o644);
      const ended = await build(identity, place, "--ssh", `default=${key}`);
      chmodSync(key, 0o600);
      expect(printed(ended)).toEqual([expect.stringMatching(/^> 600 10001 256 SHA256:/), "> refused"]);
    });

    it("that was not given is an error where it is required, and else absent", async () => {
      const place = context(`${identity}-agentless`, [
        `RUN --mount=type=ssh ls $SSH_AUTH_SOCK || ${say("none")}`,
        "RUN --mount=type=ssh,required=true true",
      ]);
      const ended = await build(identity, place);
      expect(printed(ended)).toEqual(["> none"]);
      expect(ended.stderr).toMatch(/no ssh agent was given as default[\s\S]*--ssh default/);
      expect(ended.stderr).toContain("Dockerfile:3:1");
    });
  });

  describe("a cache", () => {
    it("is kept between builds and is in no layer", async () => {
      const line = (tag: string): string[] => [
        `RUN --mount=type=cache,target=/var/kept echo ${tag} >> /var/kept/list; ${say("$(cat /var/kept/list | wc -l)")}`,
      ];
      expect(printed(await build(identity, context(`${identity}-cache`, line("one"))))).toEqual(["> 1"]);
      const place = context(`${identity}-cache`, line("two"));
      expect(printed(await build(identity, place))).toEqual(["> 2"]);
      expect(printed(await build(identity, place, "--no-cache"))).toEqual(["> 3"]);
      expect((await layerPaths(identity, place)).filter((path) => path.startsWith("var"))).toEqual([]);
    });

    it("is another one with another id, owner, namespace or beginning", async () => {
      const file = "ls /c || true; echo x > /c/f || true";
      const place = context(
        `${identity}-ids`,
        [
          `RUN --mount=type=cache,id=a,target=/c ${file}; ${say("$(ls /c)")}`,
          `RUN --mount=type=cache,id=b,target=/c ${say("b $(ls /c)")}`,
          `RUN --mount=type=cache,id=a,target=/c,mode=0700 ${say("owner $(ls /c) $(stat -c %a /c)")}`,
          `RUN --mount=type=cache,id=a,target=/c,from=files,source=/dir ${say("from $(ls /c)")}; rm /c/start; echo > /c/later`,
          `RUN --mount=type=cache,id=a,target=/d,from=files,source=/dir,ro ${say("again $(ls /d)")}; echo > /d/x || ${say("read-only")}`,
          `RUN --mount=type=cache,id=a,target=/c ${say("a $(ls /c)")}`,
        ],
        { "files/dir/start": "" },
      );
      const named = ["--build-context", `files=${join(place, "files")}`];
      expect(printed(await build(identity, place, ...named))).toEqual([
        ...["> f", "> b ", "> owner  700", "> from start", "> again later", "> read-only", "> a f"],
      ]);
      const again = context(`${identity}-ids`, [
        `RUN --mount=type=cache,id=a,target=/c ${say("a $(ls /c)")} # 2`,
      ]);
      const argument = ["--build-arg", "BUILDKIT_CACHE_MOUNT_NS=other"];
      expect(printed(await build(identity, again, ...argument))).toEqual(["> a "]);
    });

    unlessSingle("belongs to whom it is wanted for", async () => {
      const place = context(`${identity}-cacheowner`, [
        "USER web",
        `RUN --mount=type=cache,target=/c,uid=10001,gid=10001 touch /c/mine && ${say("$(stat -c %u:%g /c/mine)")}`,
      ]);
      expect(printed(await build(identity, place))).toEqual(["> 10001:10001"]);
    });

    const meeting = (sharing: string, name: string): string[] => [
      `RUN --mount=type=cache,id=meet-${sharing},sharing=${sharing},target=/c \\`,
      `  echo ${name} begins >> /c/log; sleep 1; echo ${name} ends >> /c/log; ${say("$(echo $(cat /c/log))")}`,
    ];
    const together = async (sharing: string): Promise<string[]> => {
      const ended = await Promise.all(
        ["one", "two"].map((name) =>
          build(identity, context(`${identity}-${sharing}-${name}`, meeting(sharing, name))),
        ),
      );
      return ended.flatMap(printed).sort();
    };

    it("that is locked makes others wait, in other processes too", async () => {
      const logs = await together("locked");
      const [first = "", second = ""] = logs.sort((a, b) => a.length - b.length);
      expect(first).toMatch(/^> (one|two) begins \1 ends$/);
      expect(second.slice(0, first.length)).toBe(first);
      expect(second.slice(first.length)).toMatch(/^ (one|two) begins \1 ends$/);
    });

    it("that is private is another one for whoever comes meanwhile", async () => {
      expect(await together("private")).toEqual(["> one begins one ends", "> two begins two ends"]);
    });

    it("that is shared is the same for all", async () => {
      const logs = await together("shared");
      expect(logs.some((log) => log.includes("one") && log.includes("two"))).toBe(true);
    });
  });

  describe("files", () => {
    it("of the context, a stage and a named context are there for the step", async () => {
      const place = context(
        `${identity}-bind`,
        [
          "RUN echo made > /made",
          "FROM base",
          `RUN --mount=target=/here,source=dir ${say("$(ls /here) $(cat /here/a)")}; echo > /here/b || ${say("read-only")}`,
          `RUN --mount=source=dir/a,target=/one ${say("$(cat /one)")}`,
          `RUN --mount=from=all,target=/stage ${say("$(cat /stage/made) $(ls /stage/bin/busybox)")}`,
          `RUN --mount=from=all,source=/made,target=/stage/made,rw echo more >> /stage/made; ${say("$(echo $(cat /stage/made))")}`,
          `RUN --mount=target=/here,rw echo new > /here/dir/a; echo > /here/new; ${say("$(ls /here/new) $(cat /here/dir/a)")}`,
          `RUN --mount=target=/here ${say("$(cat /here/dir/a) $(ls /here)")}; ls -d /stage || ${say("gone")}`,
        ],
        { "dir/a": "text" },
      );
      const ended = await build(identity, place);
      expect(printed(ended)).toEqual([
        ...["> a text", "> read-only", "> text", "> made /stage/bin/busybox", "> made more"],
        ...["> /here/new new", "> text Dockerfile", "> gone"],
      ]);
      const paths = await layerPaths(identity, place);
      expect(paths.filter((path) => /^(here|one|stage)/.test(path))).toEqual([]);
    });

    it("keep the mode of their directory, and come before what is mounted into them", async () => {
      const place = context(`${identity}-modes`, [
        "RUN mkdir /dir && chmod 750 /dir && mkdir /dir/sub && touch /dir/x",
        "FROM base",
        `RUN --mount=type=tmpfs,target=/at/sub --mount=from=all,source=/dir,target=/at ${say("$(stat -c %a /at) $(ls /at) $(echo > /at/sub/y; ls /at/sub)")}`,
        `RUN --mount=type=cache,target=/c,from=all,source=/dir ${say("$(stat -c %a /c) $(echo $(ls /c))")}`,
        `RUN --mount=type=cache,target=/c,from=all,mode=0700 ${say("$(stat -c %a /c) $(ls /c)")}`,
      ]);
      const ended = await build(identity, place);
      expect(ended.status, ended.stderr).toBe(0);
      expect(printed(ended)).toEqual(["> 750 sub", "> 750 sub x", "> 700 "]);
    });

    it("that are not there are named with their place", async () => {
      const place = context(`${identity}-nofile`, ["RUN --mount=source=none,target=/none true"]);
      const ended = await build(identity, place);
      expect(ended.status).toBe(2);
      expect(ended.stderr).toMatch(/none/);
      expect(ended.stderr).toContain("Dockerfile:2:");
    });

    it("in memory have the size that is wanted, and are gone", async () => {
      const place = context(`${identity}-tmpfs`, [
        `RUN --mount=type=tmpfs,target=/t,size=64k head -c 200000 /dev/zero > /t/x || ${say("$(stat -c %s /t/x)")}`,
        `RUN --mount=type=tmpfs,target=/t ${say("$(ls /t)")}; echo > /t/y`,
      ]);
      expect(printed(await build(identity, place))).toEqual(["> 65536", "> "]);
      expect((await layerPaths(identity, place)).filter((path) => path.startsWith("t/"))).toEqual([]);
    });
  });

  it.each([
    { by: "crun", lacking: { programs: ["runc"] } },
    { by: "plain namespaces", lacking: { programs: ["runc", "crun"] } },
    { by: "a copy of the tree", lacking: { overlay: true as const } },
  ])("are the same by $by", async ({ by, lacking }) => {
    const cache = `drivers-${by.replaceAll(" ", "-")}`;
    const place = context(
      `${identity}-drivers`,
      [
        "RUN --mount=type=secret,id=one --mount=type=secret,id=one,env=ONE,target=/srv/one,mode=0444 \\",
        `  --mount=type=ssh --mount=type=cache,id=${cache},target=/c --mount=type=tmpfs,target=/t \\`,
        "  --mount=target=/here --mount=target=/written,rw \\",
        `  ${say("$(stat -c '%a %u:%g %s' /run/secrets/one) $(wc -c < /srv/one) ${#ONE}")}; \\`,
        `  ${say("$(ssh-add -l | wc -l) $(echo x > /c/x; ls /c) $(echo x > /t/x; ls /t)")}; \\`,
        `  ${say("$(cat /here/file) $(echo > /here/file || echo read-only)")}; echo y > /written/file; \\`,
        `  ${say("$(cat /written/file)")}; cat /run/secrets/one; echo $ONE; ls -a /run`,
        `RUN ${say("$(ls /run /c /t /here /written)")}`,
      ],
      { file: "x\n" },
    );
    writeFileSync(join(machine.directory, "one"), secret);
    const key = join(machine.directory, "key");
    if (identity !== "root") chmodSync(key, 0o644);
    const given = [
      "--secret",
      `id=one,src=${machine.directory}/one`,
      "--ssh",
      `default=${key}`,
      "--no-cache",
    ];
    const ended = await machine.whittle(identity, words(place, ...given), undefined, { lacking });
    chmodSync(key, 0o600);
    expect(ended.status, ended.stderr).toBe(0);
    const { length } = secret;
    expect(printed(ended)).toEqual([
      ...[`> 400 0:0 ${length} ${length} ${length}`, "> 1 x x", "> x read-only", "> y", "> "],
    ]);
    expect(ended.stderr).not.toContain(secret);
    expect(holds(home(), secret)).toEqual([]);
  });

  it("leave caches that are collected when nobody uses them", async () => {
    const place = context(`${identity}-collect`, [
      "RUN --mount=type=cache,id=in-use,target=/c echo '> using'; until [ -e /c/go ]; do sleep 0.05; done",
    ]);
    const child = machine.spawn(identity, words(place, "--no-cache"), { stdio: ["ignore", "pipe", "pipe"] });
    let all = "";
    child.stderr?.on("data", (chunk) => {
      all += chunk;
    });
    while (!/^#\d+ [\d.]+ > using/m.test(all)) await once(child.stderr ?? child, "data");
    const gc = async (...flags: readonly string[]): Promise<number> => {
      const ended = await machine.whittle(identity, ["store", "gc", "--format", "json", ...flags]);
      expect(ended.status, ended.stderr).toBe(0);
      return (JSON.parse(ended.stdout) as { mounts: { removed: number } }).mounts.removed;
    };
    expect(await gc()).toBe(0);
    const unused = await gc("--all", "--dry-run");
    expect(unused).toBeGreaterThan(5);
    expect(await gc("--all")).toBe(unused);
    const caches = join(home(), "home/.cache/whittle/mounts");
    expect(readdirSync(caches)).toHaveLength(1);
    writeFileSync(join(caches, readdirSync(caches)[0] ?? "", "0/files/go"), "");
    expect((await once(child, "close"))[0]).toBe(0);
    expect(await gc("--all")).toBe(1);
    expect(readdirSync(caches)).toEqual([]);
  });

  it("leave nothing behind", async () => {
    const left = ["steps", "run"].flatMap((name) => {
      const place = join(home(), "home/.cache/whittle", name);
      return existsSync(place) ? readdirSync(place) : [];
    });
    expect(
      [...left, ...readdirSync(join(home(), "run"))].filter(
        (name) => !["whittle", "containers"].includes(name),
      ),
    ).toEqual([]);
    expect((await machine.leftovers()).filter((line) => !line.startsWith("ssh-agent"))).toEqual([]);
  });
});
