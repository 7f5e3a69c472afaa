import { createHash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

// A crowd of registry clients in one process: node registry-crowd-client.ts pull|push PORT LOOPS NUMBER.
// It goes on until SIGTERM, through every death of the server, and prints what it saw as one JSON document. What an
// answer acknowledged is held against what is there later; a broken connection is no failure, other bytes are.

/** What a process of clients reports. */
export interface Report {
  /** Whole images pulled or pushed. */
  readonly done: number;
  /** Connections that broke, and requests that were refused because the server was not there. */
  readonly broken: number;
  readonly wrong: readonly string[];
  /** Pushes that were acknowledged. */
  readonly acknowledged: readonly { readonly name: string; readonly digest: string }[];
}

const [mode = "", portText = "", loops = "", number = ""] = process.argv.slice(2);
const origin = `http://127.0.0.1:${portText}`;
const manifestType = "application/vnd.oci.image.manifest.v1+json";
const wrong: string[] = [];
const acknowledged: { name: string; digest: string }[] = [];
let done = 0;
let broken = 0;
let going = true;
process.on("SIGTERM", () => {
  going = false;
});

class Wrong extends Error {}

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

async function bytesOf(path: string): Promise<Buffer> {
  const answer = await fetch(origin + path, { headers: { accept: manifestType } });
  const body = Buffer.from(await answer.arrayBuffer());
  if (answer.status !== 200) throw new Wrong(`${path}: ${answer.status} ${body.toString("utf8", 0, 200)}`);
  const length = answer.headers.get("content-length");
  if (length !== null && Number(length) !== body.length) throw new Wrong(`${path}: not ${length} bytes`);
  const told = answer.headers.get("docker-content-digest");
  if (told !== digestOf(body)) throw new Wrong(`${path}: other bytes than ${told}`);
  return body;
}

async function pull(): Promise<void> {
  const manifest = JSON.parse((await bytesOf("/v2/crowd/manifests/1")).toString()) as {
    config: { digest: string };
    layers: { digest: string; size: number }[];
  };
  for (const { digest } of [manifest.config, ...manifest.layers]) {
    if (digestOf(await bytesOf(`/v2/crowd/blobs/${digest}`)) !== digest)
      throw new Wrong(`${digest}: other bytes`);
  }
}

/** Pushes an image of its own, as other clients do: blobs that are there are not sent again. */
async function push(name: string): Promise<void> {
  const layers = [randomBytes(200 + Math.floor(Math.random() * 200_000)), randomBytes(3000)];
  const config = Buffer.from(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: layers.map(digestOf) },
    }),
  );
  const described = (mediaType: string, bytes: Buffer): object => ({
    ...{ mediaType, digest: digestOf(bytes), size: bytes.length },
  });
  const manifest = Buffer.from(
    JSON.stringify({
      ...{ schemaVersion: 2, mediaType: manifestType },
      config: described("application/vnd.oci.image.config.v1+json", config),
      layers: layers.map((bytes) => described("application/vnd.oci.image.layer.v1.tar", bytes)),
    }),
  );
  // Until it is acknowledged: what a client does that was told to push.
  while (going) {
    try {
      for (const bytes of [...layers, config]) await pushBlob(bytes);
      const headers = { "content-type": manifestType };
      await expecting(201, `/v2/crowd/manifests/${name}`, {
        method: "PUT",
        headers,
        body: new Uint8Array(manifest),
      });
      acknowledged.push({ name, digest: digestOf(manifest) });
      return;
    } catch (error) {
      await after(error);
    }
  }
}

async function pushBlob(bytes: Buffer): Promise<void> {
  const digest = digestOf(bytes);
  const there = await fetch(`${origin}/v2/crowd/blobs/${digest}`, { method: "HEAD" });
  if (there.status === 200) return;
  const begun = await expecting(202, "/v2/crowd/blobs/uploads/", { method: "POST" });
  let at = begun.headers.get("location") ?? "";
  const half = Math.floor(bytes.length / 2);
  const chunked = Math.random() < 0.5;
  if (chunked) {
    const headers = { "content-range": `0-${half - 1}`, "content-type": "application/octet-stream" };
    const sent = await expecting(202, at, {
      method: "PATCH",
      headers,
      body: new Uint8Array(bytes.subarray(0, half)),
    });
    at = sent.headers.get("location") ?? "";
  }
  const rest = new Uint8Array(chunked ? bytes.subarray(half) : bytes);
  await expecting(201, `${at}?digest=${digest}`, { method: "PUT", body: rest });
}

async function expecting(status: number, path: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(origin + path, init);
  const body = Buffer.from(await answer.arrayBuffer());
  if (answer.status !== status) {
    throw new Wrong(`${init.method} ${path}: ${answer.status} ${body.toString("utf8", 0, 200)}`);
  }
  return answer;
}

async function after(error: unknown): Promise<void> {
  if (error instanceof Wrong) wrong.push(error.message);
  else broken += 1;
  await sleep(20);
}

async function client(id: string): Promise<void> {
  for (let round = 0; going; round++) {
    try {
      if (mode === "pull") await pull();
      else await push(`${id}-${round}`);
      done += 1;
    } catch (error) {
      await after(error);
    }
  }
}

await Promise.all(Array.from({ length: Number(loops) }, (_, at) => client(`c${number}-${at}`)));
const report: Report = { done, broken, wrong, acknowledged };
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exit(0);
