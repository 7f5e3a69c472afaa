import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { Environment } from "../io/index.ts";
import { readSettings } from "./settings.ts";

let home = "";
let environment: Environment = {};

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "whittle-test-"));
  const made = home;
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  environment = { HOME: home };
});

const settings = ".config/whittle/registries.yaml";

/** A certificate of its own authority, and its key. */
function certificate(): { readonly cert: string; readonly key: string } {
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const words = ["req", "-x509", ...kind, "-subj", "/CN=a", "-keyout", "-", "-out", "-"];
  const made = execFileSync("openssl", words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const [key = "", cert = ""] = made.split(/(?=-----BEGIN CERTIFICATE)/);
  return { cert, key };
}

function write(path: string, text: string): void {
  mkdirSync(join(home, path, ".."), { recursive: true });
  writeFileSync(join(home, path), text);
}

describe("settings of registries", () => {
  it("are none where nothing is said", async () => {
    expect(await readSettings("registry.example", environment)).toEqual({ tls: {} });
    write(settings, "");
    expect(await readSettings("registry.example", environment)).toEqual({ tls: {} });
    write(settings, "registries: {other.example: {insecure: true}}\n");
    expect(await readSettings("registry.example", environment)).toEqual({ tls: {} });
  });

  it("name certificates and what may be without TLS", async () => {
    const { cert, key } = certificate();
    write("ca.pem", cert);
    write("client.pem", cert);
    write("client.key", key);
    write(
      settings,
      `registries:\n  registry.example:\n    insecure: true\n    ca: ${home}/ca.pem\n    cert: ${home}/client.pem\n    key: ${home}/client.key\n`,
    );
    expect(await readSettings("registry.example", environment)).toEqual({
      insecure: true,
      tls: { ca: [cert], cert, key },
    });
  });

  it("find the certificates that podman and Docker use", async () => {
    const directory = ".config/containers/certs.d/registry.example:5000";
    const [a, b, me] = [certificate(), certificate(), certificate()];
    write(`${directory}/b.crt`, b.cert);
    write(`${directory}/a.crt`, a.cert);
    write(`${directory}/me.cert`, me.cert);
    write(`${directory}/me.key`, me.key);
    write(`${directory}/alone.cert`, "ALONE");
    expect(await readSettings("registry.example:5000", environment)).toEqual({
      tls: { ca: [a.cert, b.cert], ...me },
    });
    expect(await readSettings("registry.example", environment)).toEqual({ tls: {} });
  });

  it.each([
    ["{", /registry settings in/],
    ["registries: []", /is not a map of hosts/],
    ["registry.example: {insecure: true}", /unknown key "registry\.example"/],
    ["- registries", /not a map with the key/],
    ["registries: {registry.example: {cert: /a.pem}}", /one of cert and key/],
    ["registries: {registry.example: 5}", /is not a map/],
    ["registries: {registry.example: {insecur: true}}", /unknown key "insecur"/],
    ["registries: {registry.example: {insecure: 1}}", /neither true nor false/],
    ["registries: {registry.example: {ca: here.pem}}", /not an absolute path/],
  ])("that are wrong say what: %s", async (text, message) => {
    write(settings, text);
    const failed = readSettings("registry.example", environment);
    await expect(failed).rejects.toMatchObject({ code: "USAGE" });
    await expect(failed).rejects.toThrow(message);
  });

  it("are missed where a person names a file that is not there", async () => {
    const named = { ...environment, WHITTLE_REGISTRIES: join(home, "no.yaml") };
    await expect(readSettings("registry.example", named)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("say which file is no certificate, or does not go with its key", async () => {
    const [mine, other] = [certificate(), certificate()];
    const directory = ".config/containers/certs.d/registry.example";
    const message = async (): Promise<string> =>
      readSettings("registry.example", environment).then(String, (error: Error) => error.message);
    write(`${directory}/me.cert`, mine.cert);
    for (const [key, found] of [
      ["junk", "they are not PEM"],
      [other.key, "key values mismatch"],
    ] as const) {
      write(`${directory}/me.key`, key);
      expect(await message()).toContain(`me.cert and me.key to a registry: ${found}`);
    }
    write(`${directory}/a.crt`, "DER");
    expect(await message()).toContain(`${directory}/a.crt: it holds no certificate in PEM`);
  });

  it("name a certificate that has to be there", async () => {
    write(settings, `registries: {registry.example: {ca: ${home}/no.pem}}`);
    await expect(readSettings("registry.example", environment)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
