import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openClient } from "./client.ts";
import { remoteReference } from "./images.ts";

/** A registry that answers everything with one status. */
async function answering(status: number): Promise<{ host: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const digest = `sha256:${"a".repeat(64)}`;
    response.writeHead(status, { "docker-content-digest": digest, "content-length": 2 }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

it("reads from the first mirror that has it, and waits for a silent one once", async () => {
  const [silent, empty, guarded, full] = [
    await answering(503),
    await answering(404),
    await answering(403),
    await answering(200),
  ];
  const directory = mkdtempSync(join(tmpdir(), "whittle-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const mirrors = [silent, empty, guarded, full].map(({ host }) => JSON.stringify(host));
  const settings = join(directory, "registries.yaml");
  writeFileSync(settings, `registries: { registry.example: { mirrors: [${mirrors.join()}] } }\n`);
  const client = openClient({
    environment: { HOME: directory, WHITTLE_REGISTRIES: settings },
    ...{ attempts: 5, delay: 1 },
  });
  const { signal } = new AbortController();
  for (const tag of ["1", "2"]) {
    const found = await client.repository(remoteReference(`registry.example/a:${tag}`), signal);
    expect(found.label).toBe(`${full.host}/a`);
  }
  expect(silent.asked).toEqual(["HEAD /v2/a/manifests/1", "HEAD /v2/a/manifests/1"]);
  expect(empty.asked).toEqual(["HEAD /v2/a/manifests/1", "HEAD /v2/a/manifests/2"]);
});

it("knows where a repository really lies, past its mirrors", async () => {
  const directory = mkdtempSync(join(tmpdir(), "whittle-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const settings = join(directory, "registries.yaml");
  const said = "docker.io/library: { location: registry.example/deb, mirrors: [mirror.example] }";
  writeFileSync(settings, `registries: { ${said} }\n`);
  const client = openClient({ environment: { HOME: directory, WHITTLE_REGISTRIES: settings } });
  const { signal } = new AbortController();
  expect((await client.home(remoteReference("debian"), signal)).label).toBe("registry.example/deb/debian");
  expect((await client.home(remoteReference("a.example/b"), signal)).label).toBe("a.example/b");
});

it("reads from home what no mirror has", async () => {
  const empty = await answering(404);
  const directory = mkdtempSync(join(tmpdir(), "whittle-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const settings = join(directory, "registries.yaml");
  writeFileSync(settings, `registries: { registry.example: { mirrors: ["${empty.host}"] } }\n`);
  const client = openClient({ environment: { HOME: directory, WHITTLE_REGISTRIES: settings } });
  const { signal } = new AbortController();
  const found = await client.repository(remoteReference("registry.example/a:1"), signal);
  expect(found.label).toBe("registry.example/a");
});
