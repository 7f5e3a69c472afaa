import { execFileSync } from "node:child_process";
import { createSign, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { openStore } from "../src/store/index.ts";
import { sampleImage } from "../src/store/sample-image.contract.ts";
import { type Finished, temporary, whittle } from "./program.ts";
import { dockerRegistry, type RegistryProcess } from "./registry-servers.ts";

// Debian's docker-registry with tokens of a server of its own, as distribution's "Token Authentication" describes them.

const password = "pass:wörd/";
let place = "";
let registry: RegistryProcess;
let tokens: Server;
let seconds = 300;
/** Repositories of this name are not ada's any more. */
let hidden = "nobody's/";
/** What the token server was asked, in words. */
const asked: string[] = [];

/** Who asks: by name and password, or by a refresh token; nobody, or somebody else's password. */
function whoAsks(authorization: string | undefined, form: URLSearchParams): string | undefined {
  if (authorization === `Basic ${Buffer.from(`ada:${password}`).toString("base64")}`) return "ada";
  if (authorization !== undefined) throw new Error("another password");
  return form.get("refresh_token") === "refreshing" ? "ada" : undefined;
}

/** A signed token (RFC 7519) for what may be done: everything by `ada`, pulls from `public/` by anybody. */
function tokenFor(who: string | undefined, scopes: readonly string[]): string {
  const access = scopes.map((scope) => {
    const [type = "", name = "", actions = ""] = scope.split(":");
    const may = (action: string): boolean =>
      (who === "ada" && !name.startsWith(hidden)) || (action === "pull" && name.startsWith("public/"));
    return { type, name, actions: actions.split(",").filter(may) };
  });
  const now = Math.floor(Date.now() / 1000);
  const certificate = new X509Certificate(readFileSync(join(place, "signer.pem")));
  const head = { typ: "JWT", alg: "RS256", x5c: [certificate.raw.toString("base64")] };
  const claims = { iss: "tested", aud: "tested", sub: who ?? "", nbf: now - 5, iat: now, exp: now + 300 };
  const text = [head, { ...claims, jti: "1", access }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  const signature = createSign("RSA-SHA256")
    .update(text)
    .sign(readFileSync(join(place, "signer.key")));
  return `${text}.${signature.toString("base64url")}`;
}

const run = (...words: string[]): Promise<Finished> =>
  whittle(join(place, "store"), words, { env: { ...process.env, HOME: place } });

function logIn(auth: object): void {
  mkdirSync(join(place, ".docker"), { recursive: true });
  const file = join(place, ".docker/config.json");
  writeFileSync(file, JSON.stringify({ auths: { [registry.host]: auth } }));
}

beforeAll(async () => {
  place = temporary();
  const kind = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens"];
  const files = ["-keyout", join(place, "signer.key"), "-out", join(place, "signer.pem")];
  execFileSync("openssl", [...kind, ...files], { stdio: "ignore" });
  tokens = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    const { searchParams } = new URL(request.url ?? "", "http://tokens.example");
    const form = request.method === "POST" ? new URLSearchParams(body) : searchParams;
    const scopes = form.getAll("scope").flatMap((scope) => scope.split(" "));
    asked.push(`${request.method} ${scopes.join(" ")}`);
    try {
      const who = whoAsks(request.headers.authorization, form);
      response.end(JSON.stringify({ token: tokenFor(who, scopes), expires_in: seconds }));
    } catch {
      response.writeHead(401).end('{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}');
    }
  });
  await once(tokens.listen(0, "127.0.0.1"), "listening");
  const realm = `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`;
  const named = `service: tested, issuer: tested, rootcertbundle: ${join(place, "signer.pem")}`;
  registry = await dockerRegistry(join(place, "registry"), `auth: {token: {realm: "${realm}", ${named}}}\n`);
  const store = await openStore(join(place, "store"), { create: true });
  await store.tag("api:1", await sampleImage(store));
});

beforeEach(() => {
  seconds = 300;
  hidden = "nobody's/";
  asked.splice(0);
  rmSync(join(place, ".docker"), { recursive: true, force: true });
});

afterAll(async () => {
  await registry.stop();
  tokens.close();
  rmSync(place, { recursive: true, force: true });
});

it.each([
  ["a name and a password", { auth: Buffer.from(`ada:${password}`).toString("base64") }, "GET"],
  ["an identity token", { identitytoken: "refreshing" }, "POST"],
])("pushes and pulls by %s, with one token for each scope", async (_what, auth, method) => {
  logIn(auth);
  const repository = `${method.toLowerCase()}/api`;
  const pushed = await run("push", "api:1", `${registry.host}/${repository}:1`);
  expect([pushed.status, pushed.stderr]).toEqual([0, expect.any(String)]);
  const scope = `${method} repository:${repository}:pull`;
  expect(asked.toSorted()).toEqual([scope, `${scope},push`]);
  const pulled = await run("pull", `${registry.host}/${repository}:1`);
  expect(pulled.stdout).toBe(pushed.stdout);
  // Another push would look for the blobs there.
  await run("rmi", `${registry.host}/${repository}:1`);
});

it("mounts what the store knows to be in another repository, and sends what may not be read there", async () => {
  logIn({ identitytoken: "refreshing" });
  const pushed = async (from: string, to: string): Promise<unknown> => {
    const { stdout } = await run("push", "--format", "json", from, `${registry.host}/${to}:1`);
    return JSON.parse(stdout);
  };
  const store = join(place, "store");
  const image = await sampleImage(await openStore(store), "linux/amd64", "mounted");
  await (await openStore(store)).tag(`${registry.host}/home/api:1`, image);
  expect(await pushed(`${registry.host}/home/api:1`, "home/api")).toMatchObject({ mounted: 0, uploaded: 4 });
  expect(await pushed(`${registry.host}/home/api:1`, "second/api")).toMatchObject({
    mounted: 3,
    uploaded: 1,
  });
  hidden = "home/";
  expect(await pushed(`${registry.host}/home/api:1`, "third/api")).toMatchObject({ mounted: 0, uploaded: 4 });
  const pulled = await run("pull", `${registry.host}/third/api:1`);
  expect([pulled.status, pulled.stdout]).toEqual([0, `${image.digest}\n`]);
});

it("gets another token when one has ended", async () => {
  logIn({ identitytoken: "refreshing" });
  seconds = 1;
  const pushed = await run("push", "api:1", `${registry.host}/ending/api:1`);
  expect([pushed.status, pushed.stderr]).toEqual([0, expect.any(String)]);
});

it("pulls what is public without a name, and says what is not", async () => {
  logIn({ identitytoken: "refreshing" });
  await run("push", "api:1", `${registry.host}/public/api:1`);
  await run("push", "api:1", `${registry.host}/private/api:1`);
  rmSync(join(place, ".docker"), { recursive: true });
  expect((await run("pull", `${registry.host}/public/api:1`)).status).toBe(0);
  const { status, stderr } = await run("pull", `${registry.host}/private/api:1`);
  expect([status, stderr]).toEqual([4, expect.stringMatching(/answers 401 .*\nhint: whittle login 127/s)]);
});

it("says that the token server refuses a password, and not the password", async () => {
  logIn({ username: "ada", password: "hidden-word" });
  const { status, stderr } = await run("tags", `${registry.host}/public/api`);
  expect(status).toBe(4);
  expect(stderr).toMatch(/its token server 127\.0\.0\.1:\d+ answers 401 \(UNAUTHORIZED: wrong password\)/);
  expect(stderr).not.toContain("hidden-word");
});
