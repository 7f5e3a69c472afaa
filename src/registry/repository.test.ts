import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { mediaTypes } from "../image/index.ts";
import type { Digest } from "../io/index.ts";
import { deleteRemote } from "./delete.ts";
import { endpointOf } from "./endpoint.ts";
import { Repository } from "./repository.ts";
import { Session } from "./session.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function repository(handler: Handler): Promise<Repository> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = { environment: {}, attempts: 2, delay: 1, credential: async () => undefined };
  return new Repository(new Session(endpointOf(host), options), "a", new AbortController().signal);
}

async function all(items: AsyncIterable<string>): Promise<string[]> {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}

const manifest = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest });
const digestOf = (text: string, algorithm: "sha256" | "sha512" = "sha256"): Digest =>
  `${algorithm}:${createHash(algorithm).update(text).digest("hex")}`;

describe("a list of tags", () => {
  it("is read page after page, and holds tags only", async () => {
    const there = await repository(({ url }, response) => {
      if (url?.includes("last") === true) response.end('{"tags":["c","\\u001b[31m",5,"-x"]}');
      else response.setHeader("link", '</v2/a/tags/list?last=b>; rel="next"').end('{"tags":["a","b"]}');
    });
    expect(await all(there.tags())).toEqual(["a", "b", "c"]);
  });

  it("of a new repository is empty", async () => {
    expect(
      await all((await repository((_request, response) => response.end('{"tags":null}'))).tags()),
    ).toEqual([]);
    expect(await all((await repository((_request, response) => response.end("null"))).tags())).toEqual([]);
  });

  it("that never ends is refused", async () => {
    let page = 0;
    const there = await repository((_request, response) => {
      page += 1;
      response.setHeader("link", `</v2/a/tags/list?last=${page}>; rel="next"`).end('{"tags":["a"]}');
    });
    await expect(all(there.tags())).rejects.toMatchObject({ code: "ARCHIVE_HOSTILE" });
    expect(page).toBe(1000);
  });

  it("of a million tags in one page is refused", async () => {
    const there = await repository((_request, response) =>
      response.end(`{"tags":[${Array(1_000_000).fill('"a-long-tag"').join()}]}`),
    );
    await expect(all(there.tags())).rejects.toMatchObject({ code: "ARCHIVE_HOSTILE" });
  });

  it("goes on at no other server", async () => {
    const there = await repository((_request, response) =>
      response.setHeader("link", '<http://127.0.0.1:1/v2/a>; rel="next"').end('{"tags":["a"]}'),
    );
    expect(await all(there.tags())).toEqual(["a"]);
  });
});

describe("a manifest", () => {
  const answering = (text: string, headers: Record<string, string> = {}): Promise<Repository> =>
    repository((_request, response) =>
      response.writeHead(200, { "content-type": mediaTypes.manifest, ...headers }).end(text),
    );

  it.each([digestOf(manifest), digestOf(manifest, "sha512")])("is what was asked for: %s", async (digest) => {
    const { descriptor } = await (await answering(manifest)).manifest(digest);
    expect(descriptor).toEqual({ mediaType: mediaTypes.manifest, digest, size: manifest.length });
  });

  it.each([digestOf("other"), digestOf("other", "sha512")])(
    "that is another is refused: %s",
    async (digest) => {
      const there = await answering(manifest);
      await expect(there.manifest(digest)).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
    },
  );

  it("that is not what its own header says is refused", async () => {
    const there = await answering(manifest, { "docker-content-digest": digestOf("other") });
    await expect(there.manifest("1")).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  });

  it("without an end is refused", async () => {
    const there = await repository((_request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, " ")));
      };
      response.on("drain", more);
      more();
    });
    await expect(there.manifest("1")).rejects.toMatchObject({ code: "ARCHIVE_HOSTILE" });
  });

  it.each(["<html>", "[".repeat(1_000_000), "null", '{"schemaVersion":1}'])(
    "that is none is refused: %.20s",
    async (text) => {
      const there = await answering(text, { "content-type": "text/html" });
      await expect(there.manifest("1")).rejects.toMatchObject({
        code: "IMAGE_INVALID",
        hint: expect.stringContaining("no registry"),
      });
    },
  );

  it("of Docker's schema 1 is refused, and who can convert it named", async () => {
    const mediaType = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    const there = await answering('{"schemaVersion":1}', { "content-type": mediaType });
    await expect(there.manifest("1")).rejects.toMatchObject({
      code: "IMAGE_INVALID",
      hint: expect.stringContaining("converted"),
    });
  });
});

describe("referrers", () => {
  it("come in pages, and are descriptors", async () => {
    const good = { mediaType: mediaTypes.manifest, digest: digestOf("a"), size: 1, artifactType: "x" };
    const there = await repository(({ url }, response) => {
      const page =
        url?.includes("page=2") === true ? [{ ...good, digest: digestOf("b") }, {}, null, 5] : [good];
      if (page.length === 1) response.setHeader("link", "<?page=2>; rel=next");
      response.end(JSON.stringify({ manifests: page }));
    });
    expect((await there.referrers(digestOf("s"))).map(({ digest }) => digest)).toEqual([
      digestOf("a"),
      digestOf("b"),
    ]);
    expect(await there.referrers(digestOf("s"), "y")).toEqual([]);
  });
});

describe("deleting", () => {
  it("deletes a tag where that can be done, and else the manifest that it names when told to", async () => {
    const asked: string[] = [];
    const there = await repository(({ method, url }, response) => {
      asked.push(`${method} ${url}`);
      if (method === "HEAD") {
        const headers = { "docker-content-digest": digestOf(manifest), "content-length": manifest.length };
        response.writeHead(200, { ...headers, "content-type": mediaTypes.manifest }).end();
      } else response.writeHead(url?.endsWith("/1") === true ? 405 : 202).end();
    });
    await expect(deleteRemote(there, "1")).rejects.toMatchObject({ code: "REGISTRY_REFUSED" });
    expect(await deleteRemote(there, digestOf(manifest))).toBe(digestOf(manifest));
    expect(asked.at(-1)).toBe(`DELETE /v2/a/manifests/${digestOf(manifest)}`);
  });

  it("takes a manifest out of the tag that lists it, where there is no referrers API", async () => {
    const empty = { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf("{}"), size: 2 };
    const subject = { mediaType: mediaTypes.manifest, digest: digestOf("s"), size: 1 };
    const text = JSON.stringify({
      ...{ schemaVersion: 2, mediaType: mediaTypes.manifest, artifactType: "a/b" },
      ...{ config: empty, layers: [empty], subject },
    });
    const entry = (of: string) => ({ mediaType: mediaTypes.manifest, digest: digestOf(of), size: of.length });
    const list = JSON.stringify({
      ...{ schemaVersion: 2, mediaType: mediaTypes.index },
      manifests: [entry(text), entry("other")],
    });
    const tag = `/v2/a/manifests/${subject.digest.replace(":", "-")}`;
    let put = "";
    const there = await repository((request, response) => {
      const { method, url } = request;
      if (method === "PUT" && url === tag) {
        request.setEncoding("utf8").on("data", (chunk: string) => {
          put += chunk;
        });
        request.on("end", () => response.writeHead(201).end());
      } else if (method === "DELETE") response.writeHead(202).end();
      else if (url === tag) {
        const headers = { "content-type": mediaTypes.index, "content-length": list.length };
        response.writeHead(200, { ...headers, "docker-content-digest": digestOf(list) });
        response.end(method === "HEAD" ? undefined : list);
      } else if (url?.includes("/manifests/")) {
        response.writeHead(200, { "content-type": mediaTypes.manifest }).end(text);
      } else response.writeHead(404).end();
    });
    await deleteRemote(there, digestOf(text));
    expect(JSON.parse(put)).toEqual({ ...JSON.parse(list), manifests: [entry("other")] });
  });
});
