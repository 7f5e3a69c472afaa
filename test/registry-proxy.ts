import { once } from "node:events";
import {
  type ClientRequest,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

/** What becomes of one request: nothing said, it goes through. */
export type Fault =
  | { readonly kind: "answer"; readonly status: number; readonly headers?: Record<string, string> }
  /** The answer's connection breaks after so many bytes of the body. */
  | { readonly kind: "cut"; readonly at: number }
  /** Silence after so many bytes. */
  | { readonly kind: "stall"; readonly at: number }
  /** The request's connection breaks after so many bytes went on. */
  | { readonly kind: "cut-request"; readonly at: number }
  /** Of the request no more than so many bytes go on until then. */
  | { readonly kind: "hold-request"; readonly at: number; readonly until: Promise<void> }
  | { readonly kind: "flip-request"; readonly at: number }
  /** What was asked is done, and nobody hears of it. */
  | { readonly kind: "lose-answer" }
  /** The answer claims another length. */
  | { readonly kind: "length"; readonly by: number }
  | { readonly kind: "flip"; readonly at: number }
  /** A few bytes at a time. */
  | { readonly kind: "drip" };

/** A request that came by. */
export interface Passed {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  /** Of the request. */
  readonly length: string | undefined;
  /** Of the request's body that went on. */
  bytes: number;
}

/** A registry seen through a connection that spoils some requests. */
export interface FaultProxy {
  readonly host: string;
  readonly passed: Passed[];
  fault: (passed: Passed) => Fault | undefined;
  stop(): Promise<void>;
}

export async function faultProxy(upstream: number): Promise<FaultProxy> {
  const proxy: { -readonly [Name in keyof FaultProxy]: FaultProxy[Name] } = {
    ...{
      host: "",
      passed: [],
      fault: () => undefined,

      stop: async () => undefined,
    },
  };
  const server = createServer((request, response) => {
    const passed: Passed = {
      ...{ method: request.method ?? "", path: request.url ?? "" },
      ...{ authorization: request.headers.authorization, range: request.headers.range },
      ...{ length: request.headers["content-length"], bytes: 0 },
    };
    proxy.passed.push(passed);
    request.on("data", (chunk: Buffer) => {
      passed.bytes += chunk.length;
    });
    forward(request, response, upstream, proxy.fault(passed));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  proxy.stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return proxy;
}

function forward(
  request: IncomingMessage,
  response: ServerResponse,
  port: number,
  fault: Fault | undefined,
): void {
  if (fault?.kind === "answer") {
    request.resume();
    response.writeHead(fault.status, { "content-length": "0", ...fault.headers }).end();
    return;
  }
  const { method, url: path, headers } = request;
  const onward = httpRequest({ host: "127.0.0.1", port, method, path, headers, agent: false }, (answer) => {
    if (fault?.kind === "lose-answer") {
      response.destroy();
      return;
    }
    const length = Number(answer.headers["content-length"]);
    const told = fault?.kind === "length" ? { "content-length": String(length + fault.by) } : {};
    response.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...told });
    void spoil(answer, response, fault);
  });
  onward.on("error", () => response.destroy());
  if (fault?.kind === "flip-request" || fault?.kind === "hold-request") {
    void spoilRequest(request, onward, fault);
    return;
  }
  if (fault?.kind !== "cut-request") {
    request.pipe(onward);
    return;
  }
  let seen = 0;
  request.on("data", (chunk: Buffer) => {
    onward.write(chunk.subarray(0, Math.max(fault.at - seen, 0)));
    seen += chunk.length;
    if (seen <= fault.at) return;
    request.removeAllListeners("data");
    // What was written has to arrive before the connection goes.
    setTimeout(() => {
      onward.destroy();
      request.destroy();
    }, 100);
  });
  request.on("end", () => onward.end());
}

async function spoilRequest(
  request: IncomingMessage,
  onward: ClientRequest,
  fault: Extract<Fault, { kind: "flip-request" | "hold-request" }>,
): Promise<void> {
  let seen = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      const at = fault.at - seen;
      if (0 <= at && at < chunk.length) {
        if (fault.kind === "hold-request") await fault.until;
        else chunk[at] = (chunk[at] ?? 0) ^ 1;
      }
      seen += chunk.length;
      onward.write(chunk);
    }
    onward.end();
  } catch {
    onward.destroy();
  }
}

async function spoil(
  answer: IncomingMessage,
  response: ServerResponse,
  fault: Fault | undefined,
): Promise<void> {
  let seen = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (fault?.kind === "flip" && seen <= fault.at && fault.at < seen + chunk.length) {
        chunk[fault.at - seen] = (chunk[fault.at - seen] ?? 0) ^ 1;
      }
      if ((fault?.kind === "cut" || fault?.kind === "stall") && seen + chunk.length > fault.at) {
        response.write(chunk.subarray(0, fault.at - seen));
        if (fault.kind === "cut") setTimeout(() => response.destroy(), 20);
        return;
      }
      seen += chunk.length;
      if (fault?.kind !== "drip") response.write(chunk);
      else {
        for (let at = 0; at < chunk.length; at += 20_000) {
          response.write(chunk.subarray(at, at + 20_000));
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      }
    }
    response.end();
  } catch {
    response.destroy();
  }
}
