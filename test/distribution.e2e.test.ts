import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  Checks,
  checkBlobs,
  checkDataset,
  checkEmpty,
  checkManifestErrors,
  type Target,
} from "./distribution/checks.ts";
import { datasets } from "./distribution/data.ts";
import { Registry } from "./distribution/registry.ts";
import { cancelled } from "./distribution/uploads.ts";
import { temporary } from "./program.ts";
import { dockerRegistry, type RegistryProcess, whittleServe } from "./registry-servers.ts";

// The official conformance suite's checks of the distribution-spec, 1.1 and what is to follow it, said anew.

const place = temporary();
let server: RegistryProcess;
let target: Target;

beforeAll(async () => {
  server = await whittleServe(join(place, "store"));
  target = targetAt(server);
});

afterAll(async () => {
  await server.stop();
  rmSync(place, { recursive: true, force: true });
});

const targetAt = ({ port }: RegistryProcess): Target => ({
  ...{ registry: new Registry(port), repository: "conformance/one", other: "conformance/two" },
});

async function nothingWrong(check: (checks: Checks) => Promise<void>): Promise<void> {
  const checks = new Checks();
  await check(checks);
  expect(checks.wrong).toEqual([]);
  expect(checks.all.length).toBeGreaterThan(0);
}

describe("whittle serve", () => {
  it("answers while it is empty", () => nothingWrong((checks) => checkEmpty(checks, target)));

  it.each(["sha256", "sha512"] as const)("takes, gives and deletes blobs by %s", (algorithm) =>
    nothingWrong((checks) => checkBlobs(checks, target, algorithm)),
  );

  it("lets uploads be cancelled", async () => {
    const { registry, repository } = target;
    await cancelled({ registry, repository, digest: "", bytes: Buffer.alloc(0) });
  });

  it.each(datasets().map((data) => [data.name, data] as const))(
    "takes, gives and deletes: %s",
    (_name, data) => nothingWrong((checks) => checkDataset(checks, target, data)),
  );

  it("refuses manifests that are not there or have no digest", () =>
    nothingWrong((checks) => checkManifestErrors(checks, target)));

  it("is as empty as before in the end", async () => {
    const { registry, repository } = target;
    await registry.ask("GET", `/v2/${repository}/tags/list`, { status: 404 });
    expect(JSON.parse((await registry.ask("GET", "/v2/_catalog", { status: 200 })).body.toString())).toEqual({
      repositories: [],
    });
  });
});

// It deletes by digest only, has no referrers, sorts no tags, wants a PUT after each POST and a source for each mount,
// takes chunks in any order, and what follows from that. So these checks do find what is not as it should be.
const beyondDebian = [
  "DELETE by digest",
  "DELETE by tag",
  "GET by digest",
  "GET by tag",
  "GET of a blob",
  "GET of a digest that is none",
  "HEAD by digest",
  "HEAD by tag",
  "HEAD of a blob",
  "PUT under a digest that is none",
  "bytes=500-0",
  "bytes=5000-10000",
  "push by digest",
  "push by tag",
  "referrers",
  "referrers in an empty repository",
  "sha256, a mount from anywhere",
  "sha256, chunks out of order",
  "sha256, chunks out of order and a PUT",
  "sha256, one POST",
  "sha256, other bytes by one POST",
  "tags",
];

describe("Debian's docker-registry, which knows the distribution-spec 1.0", () => {
  it("is found wanting where it is, and nowhere else", async () => {
    const debian = await dockerRegistry(join(place, "debian"));
    const at = targetAt(debian);
    const checks = new Checks();
    await checkEmpty(checks, at);
    await checkBlobs(checks, at, "sha256");
    const known = datasets().filter(({ tagParameters, name }) => !tagParameters && name !== "sha512");
    for (const data of known) await checkDataset(checks, at, data);
    await checkManifestErrors(checks, at);
    await debian.stop();
    const wanting = checks.all.filter(({ wrong }) => wrong !== undefined).map(({ what }) => what);
    expect([...new Set(wanting)].sort()).toEqual(beyondDebian);
  });
});
