import type { BlobSink, BlobSource } from "../../image/index.ts";
import { type Digest, decompress, WhittleError } from "../../io/index.ts";
import { treeOfTar } from "../../tar/index.ts";
import { changesDigest } from "../changes-digest.ts";
import type { Executor } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import type { TreeValue } from "./tree-value.ts";

type StoredBlob = { readonly digest: Digest; readonly size: number };

/** A step that brings the files of an archive which lies in the store: tar, plain or compressed. */
export function archiveTreeStep(archive: StoredBlob, label: string): Step {
  return {
    kind: "archive-tree",
    label,
    parameters: { digest: archive.digest, size: archive.size },
    inputs: {},
  };
}

/** Its identity is that of its files, whatever their times, so that a context packed anew is the same context. */
export function archiveTreeExecutor(blobs: BlobSink & BlobSource): Executor {
  return {
    kind: "archive-tree",
    version: 1,
    cached: true,
    async run(step, _inputs, { signal }) {
      const packed = step.parameters as StoredBlob;
      const content = await blobs.blob({ mediaType: "application/octet-stream", ...packed });
      const tar: StoredBlob = await blobs.add(decompress(content.open(), { signal }));
      const value = await load(blobs, tar).catch((error: unknown) => {
        throw named(error);
      });
      const digest = await changesDigest({ added: value.tree, removed: [], opaque: [] }, "without times");
      return { digest, record: tar as unknown as Json, value, blobs: [tar.digest] };
    },
    load: (_step, outcome) => load(blobs, outcome.record as unknown as StoredBlob),
  };
}

async function load(blobs: BlobSource, tar: StoredBlob): Promise<TreeValue> {
  return { tree: await treeOfTar(await blobs.blob({ mediaType: "application/octet-stream", ...tar })) };
}

function named(error: unknown): unknown {
  if (!(error instanceof WhittleError)) return error;
  return new WhittleError(error.code, `Cannot use the context: ${error.message}`, { cause: error });
}
