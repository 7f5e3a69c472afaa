import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashSync } from "bcryptjs";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openAccess } from "./access.ts";

function file(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), "whittle-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, "users"), text);
  return join(directory, "users");
}

const shown = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;
const users = `# people\nada:${hashSync("love:lace", 4)}\n\nbob:${hashSync("b", 4).replace("$2b$", "$2y$")}\n`;
const none = { readOnly: false, anonymousPull: false };

describe("who may do what", () => {
  it("is everybody everything where nothing is said", async () => {
    const access = await openAccess(none);
    expect(await access.admit(undefined, true)).toBe("");
  });

  it.each([
    ["ada:love:lace", "ada"],
    ["bob:b", "bob"],
    ["bob:c", undefined],
    ["bob:", undefined],
    ["nobody:b", undefined],
    [":b", undefined],
    ["bob", undefined],
  ])("%s", async (text, user) => {
    const access = await openAccess({ ...none, htpasswd: file(users) });
    for (const _again of [1, 2]) {
      const admitted = access.admit(shown(text), false);
      if (user === undefined) await expect(admitted).rejects.toMatchObject({ code: "UNAUTHORIZED" });
      else expect(await admitted).toBe(user);
    }
  });

  it.each(["", "Basic", "Basic !!!", "Bearer x", "Basic  ", shown("")])(
    "%j shows nothing",
    async (header) => {
      const access = await openAccess({ ...none, htpasswd: file(users) });
      await expect(access.admit(header, false)).rejects.toMatchObject({
        code: "UNAUTHORIZED",
        headers: { "www-authenticate": 'Basic realm="whittle", charset="UTF-8"' },
      });
    },
  );

  it("is what the file of passwords says now", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const htpasswd = file(users);
    const warned: unknown[] = [];
    const access = await openAccess({
      ...{ ...none, anonymousPull: true, htpasswd },
      warn: (error) => void warned.push(error),
    });
    const later = (text?: string): void => {
      if (text === undefined) rmSync(htpasswd);
      else writeFileSync(htpasswd, text);
      vi.setSystemTime(Date.now() + 1000);
    };
    const may = (text: string) =>
      access.admit(shown(text), true).catch(({ code }: { code?: string }) => code);
    const { token } = await access.grant(shown("bob:b"));
    const bearer = () => access.admit(`Bearer ${token}`, true).catch(({ code }: { code?: string }) => code);
    expect([await may("bob:b"), await may("eve:e"), await bearer()]).toEqual(["bob", "UNAUTHORIZED", "bob"]);
    later(`eve:${hashSync("e", 4)}\n`);
    expect([await may("bob:b"), await may("eve:e"), await bearer()]).toEqual([
      ...["UNAUTHORIZED", "eve", "UNAUTHORIZED"],
    ]);
    later(`eve:${hashSync("another", 4)}\n`);
    expect([await may("eve:e"), await may("eve:another")]).toEqual(["UNAUTHORIZED", "eve"]);
    expect(warned).toEqual([]);
    // One that cannot be used lets nobody in and nobody out.
    later("eve:e\n");
    expect([await may("eve:another"), await may("eve:another")]).toEqual(["eve", "eve"]);
    later();
    expect(await may("eve:another")).toBe("eve");
    // Once.
    vi.setSystemTime(Date.now() + 1000);
    expect(await may("eve:another")).toBe("eve");
    expect(warned).toMatchObject([{ code: "USAGE" }, { code: "NOT_FOUND" }]);
  });

  it("lets who does not say who they are pull, and not push", async () => {
    const access = await openAccess({ ...none, anonymousPull: true, htpasswd: file(users) });
    expect(await access.admit(undefined, false)).toBe("");
    await expect(access.admit(undefined, true)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    // Who says something wrong is told so.
    await expect(access.admit(shown("bob:c"), false)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  });

  it("gives tokens where pulling needs no password and pushing does", async () => {
    const access = await openAccess({ ...none, anonymousPull: true, htpasswd: file(users) });
    const asked = { origin: "https://a", repository: "b", isBase: false };
    const challenge = (error = ""): object => ({
      code: "UNAUTHORIZED",
      headers: {
        "www-authenticate": `Bearer realm="https://a/v2/token",service="whittle",scope="repository:b:pull,push"${error}`,
      },
    });
    const bearer = async (text?: string): Promise<string> =>
      `Bearer ${(await access.grant(text === undefined ? undefined : shown(text))).token}`;
    // Clients learn from the base how to say who they are; else whoever has a password would never show it.
    await expect(access.admit(undefined, false, { ...asked, isBase: true })).rejects.toMatchObject(
      challenge(),
    );
    await expect(access.admit(undefined, true, asked)).rejects.toMatchObject(challenge());
    const [ada, nobody] = [await bearer("ada:love:lace"), await bearer()];
    expect(await access.admit(ada, true, asked)).toBe("ada");
    expect(await access.admit(ada, false, { ...asked, isBase: true })).toBe("ada");
    expect(await access.admit(nobody, false, { ...asked, isBase: true })).toBe("");
    await expect(access.admit(nobody, true, asked)).rejects.toMatchObject(
      challenge(',error="insufficient_scope"'),
    );
    await expect(access.admit("Bearer a.b", false, asked)).rejects.toMatchObject(
      challenge(',error="invalid_token"'),
    );
    // A password counts without a token as well.
    expect(await access.admit(shown("bob:b"), true, asked)).toBe("bob");
    for (const wrong of [shown("ada:wrong"), ada]) {
      await expect(access.grant(wrong)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    }
  });

  it.each([{}, { htpasswd: true }])(
    "gives no tokens where there is nothing to tell apart: %j",
    async (how) => {
      const access = await openAccess({
        ...none,
        ...(how.htpasswd === true ? { htpasswd: file(users) } : {}),
      });
      await expect(access.grant(shown("bob:b"))).rejects.toMatchObject({ code: "NAME_UNKNOWN" });
      if (how.htpasswd !== true) return;
      await expect(access.admit("Bearer a.b", false)).rejects.toMatchObject({
        headers: { "www-authenticate": expect.stringMatching(/^Basic /) },
      });
    },
  );

  it("looks at few passwords at a time, and at each once, however often it is shown", async () => {
    const access = await openAccess({ ...none, htpasswd: file(users) });
    const refusal = (text: string): Promise<unknown> =>
      access.admit(shown(text), false).then(
        (user) => user,
        (error: { code: string }) => error.code,
      );
    const tried = await Promise.all(Array.from({ length: 100 }, (_, at) => refusal(`ada:${at}`)));
    // One is looked at and 64 wait.
    expect(tried).toEqual([...Array(65).fill("UNAUTHORIZED"), ...Array(35).fill("TOOMANYREQUESTS")]);
    const begun = await Promise.all(Array.from({ length: 100 }, () => refusal("bob:b")));
    expect(new Set(begun)).toEqual(new Set(["bob"]));
  });

  it("knows who is known already while others are looked at", async () => {
    // Nobody's password, and one that takes its time.
    const slow = `eve:${hashSync("e", 4).replace("$04$", "$12$")}\n`;
    const access = await openAccess({ ...none, htpasswd: file(users + slow) });
    expect(await access.admit(shown("bob:b"), false)).toBe("bob");
    const order: string[] = [];
    const others = Array.from({ length: 3 }, async (_, at) => {
      await access.admit(shown(`eve:${at}`), false).catch(() => order.push("eve"));
    });
    for (let turn = 0; turn < 5; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      order.push(await access.admit(shown("bob:b"), false));
    }
    await Promise.all(others);
    expect(order).toEqual([...Array(5).fill("bob"), ...Array(3).fill("eve")]);
  });

  it("lets nobody write where nothing may change", async () => {
    const access = await openAccess({ ...none, readOnly: true, htpasswd: file(users) });
    expect(await access.admit(shown("bob:b"), false)).toBe("bob");
    await expect(access.admit(shown("bob:b"), true)).rejects.toMatchObject({ code: "DENIED" });
  });

  it.each(["ada:plain", "ada:$apr1$a$b", "ada", `ada:${"$2y$10$".padEnd(59, "a")}`])(
    "is not read from a line like %s",
    async (line) => {
      await expect(openAccess({ ...none, htpasswd: file(`# x\n${line}\n`) })).rejects.toMatchObject({
        code: "USAGE",
        at: { line: 2 },
      });
    },
  );
});
