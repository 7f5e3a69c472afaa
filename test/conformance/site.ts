import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";

/** A web server of this machine that cases fetch from; `http://site` stands for its address in what is recorded. */
export interface Site {
  /** The address in the place of `@SITE@`. */
  fill(text: string): string;
  /** `http://site` in the place of the address. */
  hide<T>(value: T): T;
  close(): Promise<void>;
}

/** Serves the files of a directory. */
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
  return {
    fill: (text) => text.replaceAll("@SITE@", address),
    hide: (value) => JSON.parse(JSON.stringify(value).replaceAll(address, "http://site")),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
