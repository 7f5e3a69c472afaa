import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Environment } from "../io/index.ts";
import { agentSources, secretSources } from "./secret-options.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "whittle-secret-"));
  writeFileSync(join(directory, "file"), "of the file");
  writeFileSync(join(directory, "a,b"), "with a comma");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const environment: Environment = { VARIABLE: "of the variable", both: "variable", EMPTY: "" };

async function values(...texts: readonly string[]): Promise<Record<string, string | undefined>> {
  const sources = secretSources(texts, directory, environment);
  const read = [...sources].map(async ([id, source]) => {
    const bytes = await source();
    return [id, bytes === undefined ? undefined : Buffer.from(bytes).toString()] as const;
  });
  return Object.fromEntries(await Promise.all(read));
}

describe("--secret", () => {
  it.each<[string, Record<string, string | undefined>]>([
    ["id=x,src=file", { x: "of the file" }],
    ["id=x,source=file", { x: "of the file" }],
    ["type=file,id=x,src=file", { x: "of the file" }],
    ["id=file", { file: "of the file" }],
    ["id=x,env=VARIABLE", { x: "of the variable" }],
    ["id=x,type=env,env=VARIABLE", { x: "of the variable" }],
    ["id=x,type=env,src=VARIABLE", { x: "of the variable" }],
    ["id=VARIABLE", { VARIABLE: "of the variable" }],
    ["id=VARIABLE,type=env", { VARIABLE: "of the variable" }],
    ["id=x,env=EMPTY", { x: "" }],
    ["id=x,env=NOT_SET", { x: undefined }],
    ['id=x,"src=a,b"', { x: "with a comma" }],
    ["ID=x,SRC=file", { x: "of the file" }],
  ])("%s", async (text, expected) => {
    expect(await values(text)).toEqual(expected);
  });

  it("takes the variable before the file of the same name, unless told otherwise", async () => {
    writeFileSync(join(directory, "both"), "file");
    expect(await values("id=both")).toEqual({ both: "variable" });
    expect(await values("id=both,type=file")).toEqual({ both: "file" });
  });

  it("may be given several times", async () => {
    expect(await values("id=x,src=file", "id=y,env=VARIABLE", "id=x,env=VARIABLE")).toEqual({
      x: "of the variable",
      y: "of the variable",
    });
  });

  it("reads a pipe once", async () => {
    const pipe = join(directory, "pipe");
    execFileSync("mkfifo", [pipe]);
    const source = secretSources([`id=x,src=${pipe}`], directory, environment).get("x");
    execFileSync("sh", ["-c", `echo once > ${pipe} &`], { stdio: "ignore" });
    expect(Buffer.from((await source?.()) ?? []).toString()).toBe("once\n");
    expect(Buffer.from((await source?.()) ?? []).toString()).toBe("once\n");
  });

  it.each([
    ["src=file", "USAGE", "it has no id"],
    ["id=", "USAGE", "it has no id"],
    ["id", "USAGE", '"id" has no value'],
    ["id=x,value=hidden", "USAGE", 'unexpected key "value"'],
    ["id=x,scr=file", "USAGE", "did you mean src?"],
    ["id=x,src=file,env=VARIABLE", "USAGE", "both src and env"],
    ["id=x,type=other", "USAGE", 'the type "other" is not known'],
    ['id=x,"src=file', "USAGE", "quotes"],
    ["id=x,src=none", "NOT_FOUND", "no such file or directory"],
    ["id=none", "NOT_FOUND", "no such file or directory"],
    ["id=x,src=dir", "USAGE", "a file is wanted"],
    ["id=x,src=large", "USAGE", "more than 512000 bytes"],
  ])("%s is refused", (text, code, message) => {
    mkdirSync(join(directory, "dir"));
    writeFileSync(join(directory, "large"), Buffer.alloc(512_001));
    const read = (): unknown => secretSources([text], directory, environment);
    expect(read).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }));
    expect(read).not.toThrow("hidden");
  });
});

describe("--ssh", () => {
  const own = { SSH_AUTH_SOCK: "/dev/null" };

  it.each<[string, string, readonly string[], boolean]>([
    ["default", "default", ["/dev/null"], false],
    ["other", "other", ["/dev/null"], false],
    ["default=file", "default", ["file"], false],
    ["keys=file,a b", "keys", ["file", "a b"], false],
    ["x=file,raw=true", "x", ["file"], true],
    ["x=raw=true", "x", ["/dev/null"], true],
  ])("%s", (text, id, paths, raw) => {
    writeFileSync(join(directory, "a b"), "");
    const shown = [...agentSources([text], directory, own)].map(([name, source]) => [
      name,
      source.paths.map((path) => path.replace(`${directory}/`, "")),
      source.raw,
    ]);
    expect(shown).toEqual([[id, paths, raw]]);
  });

  it("takes sockets", async () => {
    const socket = join(directory, "socket");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    expect(agentSources([`x=${socket}`], directory, {}).get("x")?.paths).toEqual([socket]);
    server.close();
  });

  it.each([
    [["default"], {}, "USAGE", "SSH_AUTH_SOCK is not set"],
    [["default", "default=file"], own, "USAGE", "two agents called default"],
    [["x=none"], own, "NOT_FOUND", "no such file or directory"],
  ])("%s is refused", (texts, given, code, message) => {
    expect(() => agentSources(texts, directory, given)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });
});
