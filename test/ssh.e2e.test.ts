import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openAgent, type SharedSocket, shareAgent } from "../src/sandbox/index.ts";
import { temporary } from "./program.ts";

const kinds = {
  ed25519: ["-t", "ed25519"],
  rsa: ["-t", "rsa", "-b", "2048"],
  "rsa-pem": ["-t", "rsa", "-b", "2048", "-m", "PEM"],
  "ecdsa-256": ["-t", "ecdsa", "-b", "256"],
  "ecdsa-384": ["-t", "ecdsa", "-b", "384"],
  "ecdsa-521": ["-t", "ecdsa", "-b", "521"],
  "ecdsa-pkcs8": ["-t", "ecdsa", "-b", "256", "-m", "PKCS8"],
} as const;

let directory: string;
let environment: Record<string, string>;
let real: ChildProcess;
let realSocket: string;

beforeAll(async () => {
  directory = temporary();
  environment = { XDG_RUNTIME_DIR: join(directory, "run") };
  mkdirSync(join(directory, "run"));
  for (const [name, options] of Object.entries(kinds)) {
    execFileSync("ssh-keygen", [
      "-q",
      "-N",
      "",
      "-C",
      `key ${name}`,
      "-f",
      join(directory, name),
      ...options,
    ]);
  }
  execFileSync("ssh-keygen", ["-q", "-N", "a passphrase", "-f", join(directory, "locked")]);
  execFileSync("ssh-keygen", [
    "-q",
    "-N",
    "a passphrase",
    "-m",
    "PEM",
    "-t",
    "rsa",
    "-f",
    join(directory, "locked-pem"),
  ]);
  realSocket = join(directory, "real");
  real = spawn("ssh-agent", ["-D", "-a", realSocket], { stdio: "ignore" });
  while (!existsSync(realSocket)) await new Promise((resolve) => setTimeout(resolve, 10));
  ssh(realSocket, "ssh-add", "-q", join(directory, "ed25519"));
});
afterAll(async () => {
  real.kill();
  await once(real, "close");
  rmSync(directory, { recursive: true, force: true });
});

function ssh(
  socket: string,
  command: string,
  ...args: readonly string[]
): { status: number | null; out: string } {
  const env = { PATH: process.env["PATH"], SSH_AUTH_SOCK: socket };
  const done = spawnSync(command, args, { env, encoding: "utf8", cwd: directory, input: "what is signed" });
  return { status: done.status, out: `${done.stdout}${done.stderr}` };
}

/** What ssh-add lists for a key: its bits, fingerprint, comment and kind. */
const listed = (name: string): string =>
  execFileSync("ssh-keygen", ["-l", "-f", join(directory, `${name}.pub`)], { encoding: "utf8" });

async function sharing<T>(
  paths: readonly string[],
  use: (shared: SharedSocket) => T | Promise<T>,
): Promise<T> {
  const owner = { uid: 0, gid: 0, mode: 0o600 };
  const shared = await shareAgent(await openAgent(paths, false), owner, environment);
  try {
    return await use(shared);
  } finally {
    await shared.close();
    expect(existsSync(shared.path)).toBe(false);
  }
}

/** Has the program of OpenSSH sign through a socket, without the private key, and check what came. */
async function signs(socket: string, name: string): Promise<void> {
  const place = join(directory, `sign-${name}`);
  mkdirSync(place, { recursive: true });
  const publicKey = execFileSync("cat", [join(directory, `${name}.pub`)], { encoding: "utf8" });
  writeFileSync(join(place, "key.pub"), publicKey);
  writeFileSync(join(place, "text"), "what is signed");
  writeFileSync(join(place, "signers"), `me ${publicKey}`);
  rmSync(join(place, "text.sig"), { force: true });
  const env = { PATH: process.env["PATH"], SSH_AUTH_SOCK: socket };
  const line = ["-Y", "sign", "-f", join(place, "key.pub"), "-n", "test", join(place, "text")];
  // Not spawnSync: the socket is served by this process.
  const signing = spawn("ssh-keygen", line, { env, stdio: "ignore" });
  expect(await once(signing, "close")).toEqual([0, null]);
  const check = [
    "-Y",
    "verify",
    "-f",
    join(place, "signers"),
    "-I",
    "me",
    "-n",
    "test",
    "-s",
    join(place, "text.sig"),
  ];
  expect(ssh(socket, "ssh-keygen", ...check)).toMatchObject({
    status: 0,
    out: expect.stringContaining("Good"),
  });
}

async function output(socket: string, command: string, ...args: readonly string[]): Promise<string> {
  const env = { PATH: process.env["PATH"], SSH_AUTH_SOCK: socket };
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    out += chunk;
  });
  await once(child, "close");
  return out;
}

describe("an agent of ours", () => {
  it.each(Object.keys(kinds))("lists and signs with a key of kind %s", async (name) => {
    await sharing([join(directory, name)], async ({ path }) => {
      const [bits, fingerprint] = listed(name).split(" ");
      expect(await output(path, "ssh-add", "-l")).toContain(`${bits} ${fingerprint} `);
      await signs(path, name);
    });
  });

  it("holds several", async () => {
    const names = ["ed25519", "rsa"].map((name) => join(directory, name));
    await sharing(names, async ({ path }) => {
      expect(await output(path, "ssh-add", "-l")).toBe(listed("ed25519") + listed("rsa"));
    });
  });

  it("takes no more keys, and gives none away", async () => {
    await sharing([join(directory, "rsa")], async ({ path }) => {
      expect(await output(path, "ssh-add", join(directory, "ed25519"))).toMatch(/refused|Could not/);
      expect(await output(path, "ssh-add", "-D")).toMatch(/Failed|refused/);
      expect(await output(path, "ssh-add", "-l")).toBe(listed("rsa"));
    });
  });

  it.each(["locked", "locked-pem"])("says that a key has a passphrase (%s)", async (name) => {
    await expect(openAgent([join(directory, name)], false)).rejects.toMatchObject({
      code: "USAGE",
      message: expect.stringContaining("it has a passphrase"),
      hint: expect.stringContaining("ssh-add"),
    });
  });

  it("refuses what is no key", async () => {
    const cut = join(directory, "cut");
    const whole = execFileSync("cat", [join(directory, "rsa")], { encoding: "latin1" });
    for (let length = 0; length < whole.length - 100; length += 97) {
      writeFileSync(cut, `${whole.slice(0, length)}\n-----END OPENSSH PRIVATE KEY-----\n`);
      await expect(openAgent([cut], false)).rejects.toMatchObject({ code: "USAGE" });
    }
    await expect(openAgent([join(directory, "rsa.pub")], false)).rejects.toMatchObject({ code: "USAGE" });
    await expect(openAgent([join(directory, "none")], false)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("the person's agent", () => {
  it("is there to list and to sign, and for nothing else", async () => {
    await sharing([realSocket], async ({ path }) => {
      expect(await output(path, "ssh-add", "-l")).toBe(listed("ed25519"));
      await signs(path, "ed25519");
      expect(await output(path, "ssh-add", join(directory, "rsa"))).toMatch(/refused|Could not/);
      expect(await output(path, "ssh-add", "-D")).toMatch(/Failed|refused/);
      expect(await output(path, "ssh-add", "-x")).toMatch(/Failed|refused|passphrase/);
    });
    expect(ssh(realSocket, "ssh-add", "-l").out).toBe(listed("ed25519"));
  });

  it("does not go with keys, nor with another one", async () => {
    await expect(openAgent([realSocket, join(directory, "rsa")], false)).rejects.toMatchObject({
      code: "USAGE",
    });
    await expect(openAgent([realSocket, realSocket], false)).rejects.toMatchObject({ code: "USAGE" });
    await expect(openAgent([join(directory, "rsa")], true)).rejects.toMatchObject({ code: "USAGE" });
  });

  it("leaves no socket for long when its process was killed", async () => {
    const script = `
      import { openAgent, shareAgent } from ${JSON.stringify(join(import.meta.dirname, "../src/sandbox/index.ts"))};
      const agent = await openAgent([${JSON.stringify(realSocket)}], false);
      const { path } = await shareAgent(agent, { uid: 0, gid: 0, mode: 0o600 }, ${JSON.stringify(environment)});
      console.log(path);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [path] = (await once(child.stdout, "data")) as [Buffer];
    child.kill("SIGKILL");
    await once(child, "close");
    expect(existsSync(path.toString().trim())).toBe(true);
    await sharing([realSocket], () => expect(existsSync(path.toString().trim())).toBe(false));
  });

  it("has a socket of the owner and mode that are wanted", async () => {
    const agent = await openAgent([realSocket], false);
    const shared = await shareAgent(agent, { uid: 1234, gid: 567, mode: 0o660 }, environment);
    const { uid, gid, mode } = statSync(shared.path);
    expect([uid, gid, mode & 0o777]).toEqual([1234, 567, 0o660]);
    await shared.close();
  });

  it.each([
    ["nonsense", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["an endless message", Buffer.from([0xff, 0xff, 0xff, 0xff, 11])],
    ["an empty message", Buffer.alloc(4)],
  ])("hangs up on %s", async (_name, bytes) => {
    for (const paths of [[realSocket], [join(directory, "rsa")]]) {
      await sharing(paths, async ({ path }) => {
        const client = createConnection(path);
        client.on("error", () => undefined).resume();
        client.write(bytes);
        await once(client, "close");
      });
    }
  });

  it("gets no answer but a refusal to half a question", async () => {
    await sharing([join(directory, "rsa")], async ({ path }) => {
      const client = createConnection(path);
      client.write(Buffer.from([0, 0, 0, 3, 13, 0, 0]));
      const [answer] = (await once(client, "data")) as [Buffer];
      expect([...answer]).toEqual([0, 0, 0, 1, 5]);
      client.destroy();
    });
  });
});
