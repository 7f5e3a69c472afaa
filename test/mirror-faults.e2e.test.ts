import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Finished, startWhittle, temporary, whittle } from "./program.ts";

// The machine's own mirror, seen through a server that spoils one kind of file on the way.

let directory = "";
let context = "";
let upstream = "";
let server: Server;
let runs = 0;
const kept = new Map<string, Buffer>();
let spoil: (path: string, body: Buffer, response: ServerResponse) => Buffer | undefined = (_path, body) =>
  body;

beforeAll(async () => {
  directory = temporary();
  context = join(directory, "context");
  mkdirSync(context);
  writeFileSync(
    join(context, "whittle.yaml"),
    "images:\n  a:\n    from: { debian: bookworm, security: false, updates: false }\n    packages: [busybox-static]\n    roots: [/bin/busybox]\n",
  );
  const sites = execFileSync("apt-get", ["indextargets", "--format", "$(REPO_URI)"], { encoding: "utf8" });
  upstream =
    sites
      .split("\n")
      .find((site) => /\/debian\/?$/.test(site))
      ?.replace(/\/$/, "") ?? "";
  expect(upstream).not.toBe("");
  server = createServer((request, response) => void answer(request.url ?? "", response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterEach(() => {
  spoil = (_path, body) => body;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true, force: true });
});

async function answer(path: string, response: ServerResponse): Promise<void> {
  let body = kept.get(path);
  if (body === undefined) {
    const found = await fetch(upstream + path.replace(/^\/debian/, ""));
    if (!found.ok) {
      response.writeHead(found.status).end();
      return;
    }
    body = Buffer.from(await found.arrayBuffer());
    kept.set(path, body);
  }
  const sent = spoil(path, Buffer.from(body), response);
  if (sent !== undefined) response.writeHead(200, { "content-length": sent.length }).end(sent);
}

function environment(cache: string): NodeJS.ProcessEnv {
  const { port } = server.address() as AddressInfo;
  return {
    ...process.env,
    DEBIAN_MIRROR: `http://127.0.0.1:${port}/debian`,
    XDG_CACHE_HOME: cache,
  };
}

const words = (): string[] => ["build", context, "--platform", "linux/amd64"];

function build(cache = join(directory, `cache-${++runs}`)): Promise<Finished> {
  return whittle(join(directory, "store"), [...words(), "--no-cache"], { env: environment(cache) });
}

function flipped(body: Buffer): Buffer {
  body[body.length >> 1]! ^= 8;
  return body;
}

const isRelease = (path: string): boolean => path.endsWith("/InRelease");
const isIndex = (path: string): boolean => /binary-amd64\//.test(path);
const isPackage = (path: string): boolean => /\/busybox-static_[^/]*\.deb$/.test(path);

const faults: readonly {
  readonly name: string;
  readonly spoil: (path: string, body: Buffer) => Buffer;
  readonly status: number;
  readonly says: RegExp;
}[] = [
  {
    name: "a release without a signature",
    spoil: (path, body) =>
      isRelease(path)
        ? Buffer.from(
            body
              .toString()
              .replace(/^-----BEGIN PGP SIGNED MESSAGE-----\nHash: \w+\n\n/, "")
              .replace(/-----BEGIN PGP SIGNATURE-----[\s\S]*/, ""),
          )
        : body,
    status: 4,
    says: /^whittle: Cannot .*InRelease.*sign/m,
  },
  {
    name: "a release that was changed after it was signed",
    spoil: (path, body) =>
      isRelease(path) ? Buffer.from(body.toString().replace("Origin: Debian", "Origin: Dabian")) : body,
    status: 4,
    says: /^whittle: Cannot .*InRelease.*sign/m,
  },
  {
    name: "an index with a flipped bit",
    spoil: (path, body) => (isIndex(path) ? flipped(body) : body),
    status: 4,
    says: /^whittle: Cannot accept .*Packages of bookworm: it is not what the release says$/m,
  },
  {
    name: "an index that is cut short",
    spoil: (path, body) => (isIndex(path) ? body.subarray(0, body.length >> 1) : body),
    status: 4,
    says: /^whittle: Cannot accept .*bytes/m,
  },
  {
    name: "a package with a flipped bit",
    spoil: (path, body) => (isPackage(path) ? flipped(body) : body),
    status: 4,
    says: /^whittle: Cannot accept busybox-static .*SHA256/m,
  },
  {
    name: "a package that is cut short",
    spoil: (path, body) => (isPackage(path) ? body.subarray(0, body.length >> 1) : body),
    status: 4,
    says: /^whittle: Cannot accept .*busybox-static.*bytes/m,
  },
];

describe("a mirror that serves", () => {
  it.each(faults)("$name is refused, and a good one heals it", async ({ spoil: fault, status, says }) => {
    spoil = fault;
    const cache = join(directory, `cache-${++runs}`);
    const refused = await build(cache);
    expect({ status: refused.status, stdout: refused.stdout }, refused.stderr).toEqual({
      status,
      stdout: "",
    });
    expect(refused.stderr).toMatch(says);
    expect(refused.stderr).toMatch(/^hint: /m);
    expect(refused.stderr).not.toMatch(/\n {4}at /);
    spoil = (_path, body) => body;
    const healed = await build(cache);
    expect(healed.status, healed.stderr).toBe(0);
  });
});

describe("a mirror that stalls", () => {
  it.each([
    ["before the first byte", 0],
    ["in the middle of a package", 4096],
  ])("%s can be interrupted at once, and what came is kept", async (_name, bytes) => {
    let stalled = (): void => undefined;
    const waiting = new Promise<void>((resolve) => {
      stalled = resolve;
    });
    spoil = (path, body, response) => {
      if (!isPackage(path)) return body;
      response.writeHead(200, { "content-length": body.length });
      response.write(body.subarray(0, bytes), () => stalled());
      return undefined;
    };
    const cache = join(directory, `cache-${++runs}`);
    const running = startWhittle(join(directory, "store"), [...words(), "--no-cache"], {
      env: environment(cache),
    });
    await waiting;
    running.kill("SIGINT");
    const finished = await running.finished;
    expect([finished.status, finished.stdout], finished.stderr).toEqual([130, ""]);
    expect(finished.stderr).toMatch(/^whittle: Interrupted/m);
    spoil = (_path, body) => body;
    const went = await build(cache);
    expect(went.status, went.stderr).toBe(0);
    const left = readdirSync(cache, { recursive: true, encoding: "utf8" });
    expect(left.filter((name) => /\.part$|\.tmp$/.test(name))).toEqual([]);
    expect(existsSync(join(cache, "whittle"))).toBe(true);
  });
});
