import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Finished, program, root, run, temporary, whittle } from "./program.ts";
import {
  dockerRegistry,
  type RegistryProcess,
  type ToolsPlace,
  toolsPlace,
  whittleServe,
} from "./registry-servers.ts";

// What a person is told who mistakes something about registries: what was attempted, what was found, and what to do.

let place = "";
let tools: ToolsPlace;
const running: RegistryProcess[] = [];

beforeAll(async () => {
  place = temporary();
  chmodSync(place, 0o755);
  tools = await toolsPlace(place);
});

afterAll(async () => {
  for (const registry of running) await registry.stop();
  rmSync(place, { recursive: true, force: true });
});

async function kept(registry: Promise<RegistryProcess>): Promise<RegistryProcess> {
  running.push(await registry);
  return registry;
}

const call = (...words: string[]): Promise<Finished> => whittle(tools.store.directory, words);

async function refused(words: readonly string[], status: number, ...lines: RegExp[]): Promise<void> {
  const done = await call(...words);
  expect([done.status, done.stderr]).toEqual([
    status,
    expect.stringMatching(/^whittle: Cannot .*\nhint: .*\n$/),
  ]);
  for (const line of lines) expect(done.stderr).toMatch(line);
}

describe("whittle serve", () => {
  const serve = (...flags: string[]): string[] => ["serve", "--listen", "127.0.0.1:0", ...flags];

  it("says why it cannot listen", async () => {
    const { port } = await kept(whittleServe(tools.store.directory));
    await refused(["serve", "--listen", `127.0.0.1:${port}`], 3, /something else does/, /0 for any/);
    // TEST-NET-2 (RFC 5737) and a name that never is (RFC 6761).
    await refused(
      ["serve", "--listen", "198.51.100.77:5000"],
      3,
      /this machine has no such address/,
      /127\.0\.0\.1/,
    );
    await refused(["serve", "--listen", "a.invalid:5000"], 3, /: (?:no address is known by|the name cannot)/);
  });

  it("says which ports are not for an ordinary user", async () => {
    const home = join(place, "nobody");
    mkdirSync(home);
    chmodSync(home, 0o777);
    const user = [
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      "--bounding-set=-all",
      "--inh-caps=-all",
    ];
    const first = Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"));
    const words = [
      process.execPath,
      program,
      "--store",
      join(home, "store"),
      "serve",
      "--listen",
      "127.0.0.1:80",
    ];
    // Where every port is for everybody there is nothing to refuse.
    if (first <= 80) return;
    const done = await run(["setpriv", ...user, "env", `HOME=${home}`, ...words], { cwd: "/" });
    expect(done.stderr).toMatch(
      /Cannot listen on 127\.0\.0\.1:80: ports below 1024 are not for this user\nhint: choose/,
    );
  });

  it("says which of the files for TLS is not what it should be", async () => {
    const [certificate, key] = [join(place, "ca.crt"), join(place, "key.pem")];
    await refused(serve("--tls-cert", key, "--tls-key", certificate), 2, /key\.pem: it is no certificate/);
    await refused(
      serve("--tls-cert", certificate, "--tls-key", certificate),
      2,
      /ca\.crt: it is no private key/,
    );
    const other = join(place, "other.pem");
    writeFileSync(other, execFileSync("openssl", ["genpkey", "-algorithm", "ed25519"]));
    await refused(
      serve("--tls-cert", certificate, "--tls-key", other),
      2,
      /other\.pem: it is not the key of/,
    );
  });

  it("hands on what a store that can only be read has, and takes nothing", async () => {
    const directory = join(place, "read-only");
    mkdirSync(directory);
    execFileSync("mount", ["--bind", tools.store.directory, directory]);
    try {
      execFileSync("mount", ["-o", "remount,ro,bind", directory]);
      const registry = await whittleServe(directory);
      try {
        const at = `${registry.host}/tools/image:1`;
        const pulled = await whittle(join(place, "pulled"), ["pull", at]);
        expect([pulled.status, pulled.stdout]).toEqual([0, `${tools.image.digest}\n`]);
        await refused(
          ["push", "tools/index:1", `${registry.host}/new/index:1`],
          4,
          /may not write to its store/,
        );
      } finally {
        await registry.stop();
      }
    } finally {
      execFileSync("umount", ["--lazy", directory]);
    }
  });
});

describe.each(["whittle serve", "docker-registry"])("a registry with passwords, %s,", (kind) => {
  it("is logged in to with the right one only", async () => {
    const users = join(place, "users");
    const settings = `auth: {htpasswd: {realm: basic, path: ${users}}}\n`;
    const { host } = await kept(
      kind === "whittle serve"
        ? whittleServe(tools.store.directory, tools.htpasswd)
        : dockerRegistry(join(place, "debian"), settings),
    );
    await refused(
      ["push", "tools/image:1", `${host}/tools/image:1`],
      4,
      /Cannot look for .*\/tools\/image:1: the registry .* wants to know who is asking/,
      /whittle login/,
    );
    const login = (password: string): Promise<Finished> =>
      run(
        [
          "sh",
          "-c",
          `printf %s '${password}' | "$0" "$@"`,
          process.execPath,
          program,
          "login",
          "-u",
          "ada",
          "--password-stdin",
          host,
        ],
        {
          cwd: root,
          env: { ...process.env, REGISTRY_AUTH_FILE: join(place, "auth.json") },
        },
      );
    const wrong = await login("hate");
    expect([wrong.status, wrong.stderr]).toEqual([
      4,
      expect.stringMatching(/Cannot log in to .* as ada: .*\nhint: check the name and the password/),
    ]);
    if (kind === "whittle serve") expect(wrong.stderr).toContain("the name or the password is wrong");
    expect((await login("love:lace")).status).toBe(0);
  });
});

it("whose certificate is not trusted is told so, and what to do", async () => {
  const { host } = await kept(whittleServe(tools.store.directory, tools.tls));
  await refused(
    ["pull", `${host}/tools/image:1`],
    3,
    /certificate is not trusted \(self-signed/,
    /ca: in registries\.yaml/,
  );
});
