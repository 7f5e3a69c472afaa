import { WhittleError } from "../io/index.ts";
import { locationOf } from "./refusal.ts";
import { sendBlob } from "./send-blob.ts";
import { begin, hasBlob, type Upload } from "./upload-requests.ts";

/** What has become of a blob that was to be pushed. */
export type Pushed = "there" | "mounted" | "uploaded";

/**
 * Makes sure that a repository has a blob: by asking, by mounting it from another repository, by sending it. A broken
 * upload goes on where the registry says that it stopped (distribution-spec, "Pushing Blobs").
 *
 * @throws WhittleError `REGISTRY_DENIED`, `REGISTRY_REFUSED`, `NETWORK`
 */
export async function uploadBlob(upload: Upload): Promise<Pushed> {
  const { session, repository, descriptor } = upload;
  const { digest } = descriptor;
  const doing = `push the blob ${digest} to ${session.host}/${repository}`;
  if (await hasBlob(upload)) return "there";
  const from = await upload.from?.(digest);
  const begun =
    from === undefined || from === repository
      ? await begin(upload, doing)
      : await begin(upload, doing, from).catch((error: unknown) => {
          // It may not be had from there; then it has to travel.
          if (!(error instanceof WhittleError) || error.code === "NETWORK") throw error;
          return begin(upload, doing);
        });
  if (begun.answer.statusCode === 201) return "mounted";
  await sendBlob(upload, locationOf(begun.answer, begun.address, doing), doing);
  return "uploaded";
}
