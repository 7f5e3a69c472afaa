import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { config, createCleartextMessage, enums, generateKey, readKey, readPrivateKey, sign } from "openpgp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { clearSign, makeKey } from "../../test/debian-fixture.ts";
import { archiveKeys } from "./keys/archive-keys.ts";
import { verifySigned } from "./signature.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "whittle-keys-"));
});

afterEach(() => rm(directory, { recursive: true }));

async function keyring(armoured: string): Promise<string> {
  const path = join(directory, `${Math.random()}.asc`);
  await writeFile(path, armoured);
  return path;
}

const verify = (text: string, keyrings: string[], at = Date.now()) =>
  verifySigned(Buffer.from(text), "the test", { keyrings, at });

const untrusted = expect.objectContaining({ code: "ARCHIVE_UNTRUSTED" });

describe("a signature", () => {
  it("by a key of the keyring, armoured or not, gives back what was signed and nothing else", async () => {
    const { secret, armoured } = await makeKey();
    const signed = await clearSign("Suite: x\n- dashed: y\n", secret);
    const around = `Suite: forged\n\n${signed}\nSuite: forged too\n`;
    const binary = join(directory, "test.gpg");
    await writeFile(binary, (await readKey({ armoredKey: armoured })).write());
    for (const ring of [await keyring(armoured), binary]) {
      const { text, signers } = await verify(around, [ring]);
      expect(text).toBe("Suite: x\n- dashed: y\n");
      expect(signers).toEqual([secret.getFingerprint().toUpperCase()]);
    }
  });

  it("counts when one of several is by a trusted key", async () => {
    const [one, two] = [await makeKey(), await makeKey()];
    const message = await createCleartextMessage({ text: "Suite: x\n" });
    const signed = await sign({ message, signingKeys: [one.secret, two.secret] });
    const { signers } = await verify(signed, [await keyring(two.armoured)]);
    expect(signers).toEqual([two.secret.getFingerprint().toUpperCase()]);
  });

  it("by a stranger, or over another text, does not count", async () => {
    const { secret, armoured } = await makeKey();
    const signed = await clearSign("Suite: x\n", secret);
    await expect(verify(signed, [])).rejects.toEqual(untrusted);
    await expect(verify(signed.replace("Suite: x", "Suite: y"), [await keyring(armoured)])).rejects.toEqual(
      untrusted,
    );
  });

  it("does not count once its key has expired, or before it was made", async () => {
    const { privateKey, publicKey } = await generateKey({
      userIDs: [{ name: "short" }],
      keyExpirationTime: 3600,
    });
    const secret = await readPrivateKey({ armoredKey: privateKey });
    const signed = await clearSign("Suite: x\n", secret);
    const rings = [await keyring(publicKey)];
    const now = Date.now();
    await expect(verify(signed, rings, now + 1000)).resolves.toMatchObject({ text: "Suite: x\n" });
    await expect(verify(signed, rings, now + 7_200_000)).rejects.toEqual(untrusted);
    await expect(verify(signed, rings, now - 7_200_000)).rejects.toEqual(untrusted);
  });

  it("with SHA-1 does not count", async () => {
    const { secret, armoured } = await makeKey();
    const message = await createCleartextMessage({ text: "Suite: x\n" });
    const weak = {
      ...config,
      preferredHashAlgorithm: enums.hash.sha1,
      rejectHashAlgorithms: new Set<enums.hash>(),
    };
    const gnupg = join(directory, "gnupg");
    execFileSync("mkdir", ["-m", "700", gnupg]);
    const gpg = (args: string[], input: string) =>
      execFileSync("gpg", ["--homedir", gnupg, "--batch", "--quiet", ...args], {
        input,
        stdio: ["pipe", "pipe", "ignore"],
      }).toString();
    gpg(["--import"], secret.armor(weak));
    const signed = gpg(["--clearsign", "--digest-algo", "SHA1", "--weak-digest", "MD5"], message.getText());
    expect(signed).toContain("Hash: SHA1");
    await expect(verify(signed, [await keyring(armoured)])).rejects.toEqual(untrusted);
    const strong = gpg(["--clearsign", "--digest-algo", "SHA512"], message.getText());
    await expect(verify(strong, [await keyring(armoured)])).resolves.toMatchObject({ text: "Suite: x" });
  });

  it("needs a keyring that is one", async () => {
    await expect(verify("x", [await keyring("no key")])).rejects.toEqual(untrusted);
    await expect(verify("x", [join(directory, "absent.gpg")])).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("the keys of the Debian archive", () => {
  it("have the fingerprints that are documented", async () => {
    const readme = await readFile(new URL("keys/README.md", import.meta.url), "utf8");
    expect(archiveKeys).toHaveLength(9);
    for (const { name, fingerprint, armoured } of archiveKeys) {
      const key = await readKey({ armoredKey: armoured });
      expect(key.getFingerprint().toUpperCase()).toBe(fingerprint);
      expect(key.isPrivate()).toBe(false);
      const subkeys = key.subkeys.map((subkey) => `\`${subkey.getFingerprint().toUpperCase()}\``).join(", ");
      expect(readme.replace(/ +/g, " ")).toContain(`| ${name} | \`${fingerprint}\` | ${subkeys || "—"} |`);
    }
  });

  it("are those of this machine's own keyring package", () => {
    const keyrings = "/usr/share/keyrings/debian-archive-keyring.gpg";
    expect(existsSync(keyrings)).toBe(true);
    const listed = execFileSync("gpg", ["--homedir", directory, "--show-keys", "--with-colons", keyrings], {
      stdio: ["ignore", "pipe", "ignore"],
    }).toString();
    for (const { fingerprint } of archiveKeys) expect(listed).toContain(fingerprint);
  });
});
