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
  environment = { HOME: home, WHITTLE_REGISTRIES: join(home, "registries.yaml") };
});

function write(path: string, text: string): void {
  mkdirSync(join(home, path, ".."), { recursive: true });
  writeFileSync(join(home, path), text);
}

describe("settings of registries", () => {
  it("are none where nothing is said", async () => {
    expect(await readSettings("registry.example", environment)).toEqual({ tls: {} });
    write("registries.yaml", "");
    expect(await readSettings("registry.example", environment)).toEqual({ tls: {} });
    write("registries.yaml", "registries: {other.example: {insecure: true}}\n");
    expect(await readSettings("registry.example", environment)).toEqual({ tls: {} });
  });

  it("name certificates and what may be without TLS", async () => {
    write("ca.pem", "CA");
    write("client.pem", "CERT");
    write("client.key", "KEY");
    write(
      "registries.yaml",
      `registries:\n  registry.example:\n    insecure: true\n    ca: ${home}/ca.pem\n    cert: ${home}/client.pem\n    key: ${home}/client.key\n`,
    );
    expect(await readSettings("registry.example", environment)).toEqual({
      insecure: true,
      tls: { ca: ["CA"], cert: "CERT", key: "KEY" },
    });
  });

  it("find the certificates that podman and Docker use", async () => {
    const directory = ".config/containers/certs.d/registry.example:5000";
    write(`${directory}/b.crt`, "B");
    write(`${directory}/a.crt`, "A");
    write(`${directory}/me.cert`, "CERT");
    write(`${directory}/me.key`, "KEY");
    write(`${directory}/alone.cert`, "ALONE");
    expect(await readSettings("registry.example:5000", environment)).toEqual({
      tls: { ca: ["A", "B"], cert: "CERT", key: "KEY" },
    });
    expect(await readSettings("registry.example", environment)).toEqual({ tls: {} });
  });

  it.each([
    ["{", /registry settings in/],
    ["registries: []", /is not a map of hosts/],
    ["registries: {registry.example: 5}", /is not a map/],
    ["registries: {registry.example: {insecur: true}}", /unknown key "insecur"/],
    ["registries: {registry.example: {insecure: 1}}", /neither true nor false/],
    ["registries: {registry.example: {ca: here.pem}}", /not an absolute path/],
  ])("that are wrong say what: %s", async (text, message) => {
    write("registries.yaml", text);
    const failed = readSettings("registry.example", environment);
    await expect(failed).rejects.toMatchObject({ code: "USAGE" });
    await expect(failed).rejects.toThrow(message);
  });

  it("name a certificate that has to be there", async () => {
    write("registries.yaml", `registries: {registry.example: {ca: ${home}/no.pem}}`);
    await expect(readSettings("registry.example", environment)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
