import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { Environment } from "../io/index.ts";
import { findCredential, removeCredential, saveCredential } from "./credentials.ts";
import { authPaths } from "./docker-config.ts";
import { parseLoginPlace } from "./login.ts";

// A helper of Docker's protocol that keeps one file for each server.
const helper = `#!/bin/sh
read -r line || :
cd "$(dirname "$0")/kept" || exit 1
case $1 in
  get) if [ -f "$(echo "$line" | tr / _)" ]; then cat "$(echo "$line" | tr / _)"; else echo "credentials not found in native keychain"; exit 1; fi ;;
  store) server=$(echo "$line" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/'); echo "$line" > "$(echo "$server" | tr / _)" ;;
  erase) rm -f "$(echo "$line" | tr / _)" ;;
esac
`;

let home = "";
let environment: Environment = {};

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "whittle-test-"));
  const made = home;
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  environment = { HOME: home, PATH: `${join(home, "bin")}:${process.env["PATH"]}` };
  mkdirSync(join(home, ".docker"));
  mkdirSync(join(home, "bin/kept"), { recursive: true });
});

function configure(document: unknown, path = ".docker/config.json"): void {
  mkdirSync(join(home, path, ".."), { recursive: true });
  writeFileSync(join(home, path), typeof document === "string" ? document : JSON.stringify(document));
}

function install(name: string, script = helper): void {
  writeFileSync(join(home, "bin", `docker-credential-${name}`), script);
  chmodSync(join(home, "bin", `docker-credential-${name}`), 0o755);
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const ada = { kind: "password", username: "ada", password: "love:lace" };

describe("credentials in a file", () => {
  it("are none where there is no file", async () => {
    expect(await findCredential("registry.example", { HOME: join(home, "nowhere") })).toBeUndefined();
  });

  it.each([
    ["name and password in base64", { auth: base64("ada:love:lace") }, ada],
    ["as older tools padded it", { auth: base64("ada:love:lace\0\0") }, ada],
    ["name and password as they are", { username: "ada", password: "love:lace" }, ada],
    [
      "an identity token",
      { auth: base64("ada:"), identitytoken: "refresh" },
      { kind: "identity", token: "refresh" },
    ],
    ["a registry token", { registrytoken: "bearer" }, { kind: "bearer", token: "bearer" }],
    ["nothing", {}, undefined],
    ["no colon", { auth: base64("ada") }, undefined],
    ["another type", { auth: 5, username: [] }, undefined],
    ["null", null, undefined],
  ])("%s", async (_what, stored, expected) => {
    configure({ auths: { "registry.example": stored } });
    expect(await findCredential("registry.example", environment)).toEqual(expected);
  });

  it.each([
    "https://registry.example/v1/",
    "https://registry.example",
    "http://registry.example/v2/",
    "registry.example/",
  ])("under the key %s", async (key) => {
    configure({ auths: { [key]: { auth: base64("ada:love:lace") } } });
    expect(await findCredential("registry.example", environment)).toEqual(ada);
    expect(await findCredential("registry.example:443", environment)).toBeUndefined();
    expect(await findCredential("xregistry.example", environment)).toBeUndefined();
  });

  it("belong to Docker Hub under its old address", async () => {
    configure({ auths: { "https://index.docker.io/v1/": { auth: base64("ada:love:lace") } } });
    expect(await findCredential("docker.io", environment)).toEqual(ada);
  });

  it("of a part of a registry count for what is below it, the most particular first", async () => {
    const auth = (name: string): { auth: string } => ({ auth: base64(`${name}:p`) });
    configure({
      auths: {
        "registry.example": auth("all"),
        "registry.example/team": auth("team"),
        "registry.example/team/api": auth("api"),
        "other.example/team": auth("other"),
      },
    });
    const who = async (repository?: string, host = "registry.example"): Promise<unknown> =>
      (await findCredential(host, environment, repository)) ?? "nobody";
    expect(await who()).toMatchObject({ username: "all" });
    expect(await who("teams/x")).toMatchObject({ username: "all" });
    expect(await who("team")).toMatchObject({ username: "team" });
    expect(await who("team/web")).toMatchObject({ username: "team" });
    expect(await who("team/api")).toMatchObject({ username: "api" });
    expect(await who("team/api/x")).toMatchObject({ username: "api" });
    expect(await who("team/x", "other.example")).toMatchObject({ username: "other" });
    expect(await who("x", "other.example")).toBe("nobody");
    expect(await who(undefined, "other.example")).toBe("nobody");
  });

  it("are looked for in podman's file before Docker's, and in a named file only", async () => {
    configure({ auths: { "registry.example": { auth: base64("docker:1") } } });
    configure(
      { auths: { "registry.example": { auth: base64("podman:2") } } },
      ".config/containers/auth.json",
    );
    configure({ auths: {} }, "named.json");
    expect(await findCredential("registry.example", environment)).toMatchObject({ username: "podman" });
    const named = { ...environment, REGISTRY_AUTH_FILE: join(home, "named.json") };
    expect(await findCredential("registry.example", named)).toBeUndefined();
  });

  it("are where podman keeps them for a user id, when there is no session", () => {
    expect(authPaths({ HOME: home })[0]).toBe(`/run/containers/${process.getuid?.()}/auth.json`);
    expect(authPaths({ HOME: home, XDG_RUNTIME_DIR: "/run/user/7" })).toEqual([
      "/run/user/7/containers/auth.json",
      join(home, ".config/containers/auth.json"),
      join(home, ".docker/config.json"),
    ]);
  });

  it("of a registry whose helper has an empty name are there, whatever the others' are in", async () => {
    configure({
      ...{ credsStore: "missing", credHelpers: { "registry.example": "" } },
      auths: { "registry.example": { auth: base64("ada:love:lace") } },
    });
    expect(await findCredential("registry.example", environment)).toEqual(ada);
    await expect(findCredential("other.example", environment)).rejects.toMatchObject({ code: "ENVIRONMENT" });
  });

  it("are changed where a link leads, which stays one", async () => {
    configure({ psFormat: "x" }, "dotfiles/docker.json");
    symlinkSync(join(home, "dotfiles/docker.json"), join(home, ".docker/config.json"));
    await saveCredential("registry.example", { username: "ada", password: "love:lace" }, environment);
    expect(lstatSync(join(home, ".docker/config.json")).isSymbolicLink()).toBe(true);
    expect(await findCredential("registry.example", environment)).toEqual(ada);
  });

  it.each(["", "  \n"])("that is empty (%j) holds nothing", async (text) => {
    configure(text);
    expect(await findCredential("registry.example", environment)).toBeUndefined();
  });

  it.each(["{", "[]", '"a"', "null", '{"auths":{"registry.example":{"auth":"c2VjcmV0"'])(
    "that is not usable (%s) is an error which does not tell it",
    async (text) => {
      configure(text);
      const failed = findCredential("registry.example", environment);
      await expect(failed).rejects.toMatchObject({ code: "ENVIRONMENT" });
      await expect(failed).rejects.not.toThrow(/c2VjcmV0/);
    },
  );

  it("does not take a registry's name for a member of every object", async () => {
    configure({ auths: {}, credHelpers: {} });
    for (const host of ["constructor", "__proto__", "toString"]) {
      expect(await findCredential(host, environment)).toBeUndefined();
    }
  });
});

describe("logging in and out", () => {
  it("keeps everything else that the file says, for its owner only", async () => {
    configure({ auths: { "other.example": { auth: "eDp5" } }, HttpHeaders: { a: "b" } });
    const saved = await saveCredential(
      "registry.example",
      { username: "ada", password: "love:lace" },
      environment,
    );
    const path = join(home, ".docker/config.json");
    expect(saved).toEqual({ path });
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({
      auths: { "other.example": { auth: "eDp5" }, "registry.example": { auth: base64("ada:love:lace") } },
      HttpHeaders: { a: "b" },
    });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await findCredential("registry.example", environment)).toEqual(ada);
    expect(await removeCredential("registry.example", environment)).toBe(true);
    expect(await removeCredential("registry.example", environment)).toBe(false);
    expect(await findCredential("other.example", environment)).toMatchObject({
      username: "x",
      password: "y",
    });
  });
});

describe("what is logged in to", () => {
  it.each([
    ["registry.example", "registry.example", "registry.example"],
    ["localhost:5000", "localhost:5000", "localhost:5000"],
    ["https://registry.example/", "registry.example", "registry.example"],
    ["https://index.docker.io/v1/", "index.docker.io", "index.docker.io"],
    ["registry.example/team/api", "registry.example", "registry.example/team/api"],
  ])("%s", (text, host, key) => {
    expect(parseLoginPlace(text)).toEqual({ host, key });
  });

  it.each(["", "a b", "registry.example/Team", "user:secret@registry.example", "registry.example//a"])(
    "not %j",
    (text) => {
      expect(() => parseLoginPlace(text)).toThrow(expect.objectContaining({ code: "REFERENCE_INVALID" }));
    },
  );

  it("may be a part of a registry, which helpers know nothing of", async () => {
    install("tested");
    configure({ credsStore: "tested" });
    const saved = await saveCredential(
      "registry.example/team",
      { username: "ada", password: "love:lace" },
      environment,
    );
    expect(saved).toEqual({ path: join(home, ".docker/config.json") });
    expect(await findCredential("registry.example", environment, "team/api")).toEqual(ada);
    expect(await findCredential("registry.example", environment, "x")).toBeUndefined();
    expect(await removeCredential("registry.example/team", environment)).toBe(true);
  });
});

describe("a credential helper", () => {
  it("keeps what it is given, and the file holds no password", async () => {
    install("tested");
    configure({ credsStore: "tested" });
    expect(await findCredential("registry.example", environment)).toBeUndefined();
    const saved = await saveCredential(
      "registry.example",
      { username: "ada", password: "love:lace" },
      environment,
    );
    expect(saved).toEqual({ helper: "tested" });
    expect(readFileSync(join(home, ".docker/config.json"), "utf8")).not.toContain("auths");
    expect(await findCredential("registry.example", environment)).toEqual(ada);
    expect(await removeCredential("registry.example", environment)).toBe(true);
    expect(await findCredential("registry.example", environment)).toBeUndefined();
  });

  it("of one registry goes before that of all", async () => {
    const answering = (name: string): string => `#!/bin/sh\necho '{"Username":"${name}","Secret":"s"}'\n`;
    install("one", answering("one"));
    install("all", answering("all"));
    configure({ credsStore: "all", credHelpers: { "registry.example": "one" } });
    expect(await findCredential("registry.example", environment)).toMatchObject({ username: "one" });
    expect(await findCredential("other.example", environment)).toMatchObject({ username: "all" });
  });

  it("may answer with an identity token", async () => {
    install("tokens", `#!/bin/sh\necho '{"Username":"<token>","Secret":"refresh"}'\n`);
    configure({ credsStore: "tokens" });
    expect(await findCredential("registry.example", environment)).toEqual({
      kind: "identity",
      token: "refresh",
    });
  });

  it.each([
    ["is missing", "absent", undefined, /it is not on the PATH/],
    ["is a path", "../../bin/sh", undefined, /its name is not that of a program/],
    ["fails", "failing", "#!/bin/sh\necho the keychain is locked\nexit 2\n", /the keychain is locked/],
    ["answers nonsense", "odd", "#!/bin/sh\necho {\n", /its answer is not JSON/],
  ])("that %s is an error that names it", async (_what, name, script, message) => {
    if (script !== undefined) install(name, script);
    configure({ credsStore: name });
    const failed = findCredential("registry.example", environment);
    await expect(failed).rejects.toMatchObject({ code: "ENVIRONMENT" });
    await expect(failed).rejects.toThrow(message);
  });
});
