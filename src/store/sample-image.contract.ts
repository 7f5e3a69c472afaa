import {
  type BlobSink,
  type Descriptor,
  mediaTypes,
  parsePlatform,
  writeArtifact,
  writeImage,
  writeIndex,
  writeLayer,
} from "../image/index.ts";
import { bytesContent, quietWork } from "../io/index.ts";
import { attributes, type Tree, treeOf } from "../tree/index.ts";

/** A little tree: a file, an executable, a link, a directory of somebody else's, an attribute. */
export function sampleTree(salt = ""): Tree {
  return treeOf([
    ["/bin", { type: "directory", ...attributes(0o755) }],
    [
      "/bin/hello",
      { type: "file", ...attributes(0o755), content: bytesContent(`#!/bin/sh\necho hello ${salt}\n`) },
    ],
    [
      "/etc/motd",
      { type: "file", ...attributes(0o644, { mtime: 1_000_000_000 }), content: bytesContent(`hi ${salt}\n`) },
    ],
    ["/etc/alias", { type: "symlink", ...attributes(0o777), target: "motd" }],
    ["/var/log", { type: "directory", ...attributes(0o1777, { uid: 10001, gid: 10001 }) }],
    [
      "/big",
      { type: "file", ...attributes(0o600), content: bytesContent(Buffer.alloc(300_000, `${salt}x`)) },
    ],
  ]);
}

/** An image of two layers for a platform. */
export async function sampleImage(
  sink: BlobSink,
  platform = "linux/amd64",
  salt = platform,
): Promise<Descriptor> {
  const work = quietWork;
  const upper = treeOf([
    ["/srv/data", { type: "file", ...attributes(0o644), content: bytesContent(`data ${salt}`) }],
  ]);
  return writeImage(sink, {
    platform: parsePlatform(platform),
    config: { Entrypoint: ["/bin/hello"], User: "10001", Labels: { salt } },
    layers: [
      await writeLayer(sampleTree(salt), sink, { work }),
      await writeLayer(upper, sink, { work, compression: { type: "zstd" } }),
    ],
    history: [{ created_by: "packages" }, { created_by: "ENV", empty_layer: true }, { created_by: "files" }],
  });
}

/** An index over images for two platforms. */
export async function sampleIndex(sink: BlobSink, salt = ""): Promise<Descriptor> {
  return writeIndex(sink, [
    await sampleImage(sink, "linux/amd64", salt),
    await sampleImage(sink, "linux/arm64", `${salt}arm`),
  ]);
}

/** Reasons for an image, the way a build attaches them. */
export function sampleReasons(sink: BlobSink, subject: Descriptor, text = "{}"): Promise<Descriptor> {
  return writeArtifact(sink, {
    artifactType: mediaTypes.reasons,
    subject,
    blobs: [{ mediaType: mediaTypes.reasons, content: bytesContent(text) }],
  });
}
