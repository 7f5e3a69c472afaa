import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256 } from "../src/io/index.ts";
import { temporary, whittle } from "./program.ts";
import { type RegistryProcess, whittleServe } from "./registry-servers.ts";

// Layers that may not be handed on (those of Windows, for one): an image names them and where they are, and nobody who
// copies the image copies them.

interface Types {
  readonly name: string;
  readonly manifest: string;
  readonly config: string;
  readonly layer: string;
  readonly foreign: string;
}
const kinds: readonly Types[] = [
  {
    name: "docker",
    manifest: "application/vnd.docker.distribution.manifest.v2+json",
    config: "application/vnd.docker.container.image.v1+json",
    layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
    foreign: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  },
  {
    name: "oci",
    manifest: "application/vnd.oci.image.manifest.v1+json",
    config: "application/vnd.oci.image.config.v1+json",
    layer: "application/vnd.oci.image.layer.v1.tar+gzip",
    foreign: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  },
];
const digest = `sha256:${"ab".repeat(32)}`;
const urls = [`https://mcr.example/v2/windows/servercore/blobs/${digest}`];

let place = "";
let registry: RegistryProcess;
const at = (name: string): string => join(place, name);

beforeAll(async () => {
  place = temporary();
  registry = await whittleServe(at("served"));
});

afterAll(async () => {
  await registry.stop();
  rmSync(place, { recursive: true, force: true });
});

/** An image layout with a layer that is elsewhere below one that is here; the digest of its manifest. */
function layout(directory: string, types: Types): string {
  mkdirSync(join(directory, "blobs/sha256"), { recursive: true });
  const put = (bytes: Uint8Array) => {
    const own = sha256(bytes);
    writeFileSync(join(directory, "blobs/sha256", own.slice(7)), bytes);
    return { digest: own, size: bytes.length };
  };
  const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
  const tar = Buffer.alloc(1024);
  const config = put(
    json({
      ...{ architecture: "amd64", os: "windows", config: {} },
      rootfs: { type: "layers", diff_ids: [`sha256:${"cd".repeat(32)}`, sha256(tar)] },
    }),
  );
  const manifest = put(
    json({
      ...{ schemaVersion: 2, mediaType: types.manifest },
      config: { mediaType: types.config, ...config },
      layers: [
        { mediaType: types.foreign, digest, size: 12345, urls },
        { mediaType: types.layer, ...put(gzipSync(tar)) },
      ],
    }),
  );
  const manifests = [{ mediaType: types.manifest, ...manifest }];
  writeFileSync(join(directory, "index.json"), json({ schemaVersion: 2, manifests }));
  writeFileSync(join(directory, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }));
  return manifest.digest;
}

async function done(store: string, ...words: string[]): Promise<string> {
  const finished = await whittle(store, words);
  expect(finished.status, `${words.join(" ")}: ${finished.stderr}`).toBe(0);
  return finished.stdout;
}

describe.each(kinds)("a layer that is elsewhere, as $name knows it,", (types) => {
  const { name, foreign: mediaType } = types;
  const remote = () => `${registry.host}/windows/${name}:1`;

  it("is kept as it is, and not missed, wherever the image goes", async () => {
    const image = layout(at(`layout-${name}`), types);
    const [first, second] = [at(`first-${name}`), at(`second-${name}`)];
    await done(first, "tag", `oci:${at(`layout-${name}`)}`, "windows:1");
    await done(first, "push", "windows:1", remote());
    expect((await done(second, "pull", "--platform", "windows/amd64", remote())).trim()).toBe(image);
    await done(second, "copy", remote(), `docker://${registry.host}/again/${name}:2`);
    await done(second, "copy", remote(), `oci-archive:${at(`${name}.tar`)}`);
    await done(second, "copy", `oci-archive:${at(`${name}.tar`)}`, `oci:${at(`copied-${name}`)}`);
    const blobs = readdirSync(at(`copied-${name}/blobs/sha256`));
    expect(blobs).toHaveLength(3);
    const manifest = readFileSync(at(`copied-${name}/blobs/sha256/${image.slice(7)}`), "utf8");
    expect(JSON.parse(manifest).layers[0]).toEqual({ mediaType, digest, size: 12345, urls });
    for (const store of [first, second, at("served")]) {
      expect(await done(store, "store", "verify")).toContain("is whole");
    }
  });

  it("is read by skopeo where we have put it", () => {
    const words = ["inspect", "--raw", "--tls-verify=false", `docker://${remote()}`];
    const manifest = JSON.parse(execFileSync("skopeo", words, { encoding: "utf8" }));
    expect(manifest.layers[0].urls).toEqual(urls);
  });

  it("has no room in a docker-archive", async () => {
    const finished = await whittle(at(`first-${name}`), [
      "copy",
      "windows:1",
      `docker-archive:${at("no.tar")}`,
    ]);
    expect(finished.status).toBe(2);
    expect(finished.stderr).toMatch(/^whittle: Cannot write .*no\.tar: the layer .* may not be handed on/m);
    expect(finished.stderr).toContain("hint: oci:DIR");
    expect(readdirSync(place)).not.toContain("no.tar");
  });
});
