import { createReadStream, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, normalize } from "node:path";
import { serveGit } from "../git-server.ts";
import { makeRepository } from "./repository.ts";

/**
 * Servers of this machine that cases fetch from: one of files, and one of a git repository. In what is recorded
 * `http://site` and `http://git` stand for their addresses.
 */
export interface Site {
  /** The address of the files in the place of `@SITE@`, and that of the repository's server in the place of `@GIT@`. */
  fill(text: string): string;
  /** `http://site` and `http://git` in the place of the addresses. */
  hide<T>(value: T): T;
  close(): Promise<void>;
}

/** Serves the files of a directory, and a repository that is made for it. */
export async function openSite(directory: string): Promise<Site> {
  const server = createServer((request, response) => {
    const file = join(directory, normalize(new URL(request.url ?? "/", "http://site").pathname));
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat?.isFile() !== true) {
      response.writeHead(404).end("nothing here\n");
      return;
    }
    response.writeHead(200, {
      "Content-Length": stat.size,
      "Last-Modified": new Date(1_700_000_000_000).toUTCString(),
    });
    if (request.method === "HEAD") response.end();
    else createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const repositories = await mkdtemp(join(tmpdir(), "whittle-conformance-git-"));
  makeRepository(repositories);
  const git = await serveGit(repositories);
  return {
    fill: (text) => text.replaceAll("@SITE@", address).replaceAll("@GIT@", git.address),
    hide: (value) =>
      JSON.parse(
        JSON.stringify(value).replaceAll(address, "http://site").replaceAll(git.address, "http://git"),
      ),
    close: async () => {
      await git.close();
      await rm(repositories, { recursive: true, force: true });
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
