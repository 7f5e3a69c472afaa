import { request } from "node:http";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Work } from "../io/index.ts";
import { formatProbe, type HttpProbe, type Probe } from "./probe.ts";

/** Where a container can be reached. */
export interface ProbeTarget {
  /** The machine's address and port that leads to a port of the container; without a number, to the first. */
  address(port?: number): { readonly host: string; readonly port: number } | undefined;
  /** Whether something inside listens on a port, where that can be told without connecting. */
  listens?(port: number): Promise<boolean>;
  /** Runs a command inside and answers with its status and the end of its output. */
  exec(command: readonly string[], signal: AbortSignal): Promise<{ status: number; output: string }>;
}

/** What came of a probe. */
export interface ProbeResult {
  /** As {@link formatProbe} writes it. */
  readonly probe: string;
  readonly ok: boolean;
  /** `200, 1234 bytes, application/json`, or what was found and what was wanted. */
  readonly detail: string;
  /** How often it was tried. */
  readonly attempts: number;
}

export interface ProbeOptions {
  /** Failures are tried again until so many milliseconds have passed (default 10 s); 0 tries once. */
  readonly deadline?: number;
}

const retryAfter = 50;
const attemptLimit = 10_000;
const mostBody = 16 * 1024 * 1024;

/**
 * Runs a probe, again and again while it fails and time is left: a program needs a moment until it answers.
 *
 * @throws the reason of `work.signal` when that is aborted
 */
export async function probe(
  spec: Probe,
  target: ProbeTarget,
  work: Work,
  { deadline = 10_000 }: ProbeOptions = {},
): Promise<ProbeResult> {
  const end = performance.now() + deadline;
  for (let attempts = 1; ; attempts++) {
    work.signal.throwIfAborted();
    const left = Math.max(1000, end - performance.now());
    const limit = AbortSignal.any([
      work.signal,
      AbortSignal.timeout(Math.ceil(Math.min(attemptLimit, left))),
    ]);
    const found = await attempt(spec, target, limit);
    const over = performance.now() + retryAfter > end;
    if (found.ok || over) return { probe: formatProbe(spec), ...found, attempts };
    await delay(retryAfter, undefined, { signal: work.signal });
  }
}

/**
 * Runs probes one after the other against one container. The first may wait for the program to be ready; the
 * deadline is for all of them together.
 */
export async function probeAll(
  specs: readonly Probe[],
  target: ProbeTarget,
  work: Work,
  { deadline = 10_000 }: ProbeOptions = {},
): Promise<ProbeResult[]> {
  const end = performance.now() + deadline;
  const results: ProbeResult[] = [];
  for (const spec of specs) {
    const left = Math.max(0, end - performance.now());
    results.push(await probe(spec, target, work, { deadline: left }));
  }
  return results;
}

interface Found {
  readonly ok: boolean;
  readonly detail: string;
}

async function attempt(spec: Probe, target: ProbeTarget, signal: AbortSignal): Promise<Found> {
  try {
    switch (spec.kind) {
      case "http":
        return await attemptHttp(spec, target, signal);
      case "tcp":
        return await attemptTcp(spec.port, target, signal);
      case "exec": {
        const { status, output } = await target.exec(spec.command, signal);
        const said = output.trim() === "" ? "" : `: ${lastLine(output)}`;
        return { ok: status === 0, detail: `status ${status}${said}` };
      }
    }
  } catch (error) {
    return { ok: false, detail: reason(error) };
  }
}

async function attemptTcp(port: number, target: ProbeTarget, signal: AbortSignal): Promise<Found> {
  const address = target.address(port);
  // What forwards a published port accepts before the program inside does, so it is asked first.
  if (target.listens !== undefined) {
    const listens = await target.listens(port);
    if (!listens) return { ok: false, detail: `nothing listens on port ${port}` };
    if (address === undefined) return { ok: true, detail: "listens" };
  }
  if (address === undefined) return unpublished(port);
  return new Promise((resolve) => {
    const socket = connect(address);
    const end = (ok: boolean, detail: string): void => {
      socket.destroy();
      resolve({ ok, detail });
    };
    signal.addEventListener("abort", () => end(false, "no answer in time"), { once: true });
    socket.once("error", (error) => end(false, reason(error)));
    socket.once("connect", () => end(true, "connected"));
  });
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

async function attemptHttp(spec: HttpProbe, target: ProbeTarget, signal: AbortSignal): Promise<Found> {
  const address = target.address(spec.port);
  if (address === undefined) return unpublished(spec.port);
  const answer = await ask(spec, address, signal);
  const wrong = complaint(spec, answer);
  if (wrong !== undefined) return { ok: false, detail: wrong };
  const type = answer.headers["content-type"];
  const about = type === undefined ? "" : `, ${String(type)}`;
  return { ok: true, detail: `${answer.status}, ${answer.body.length} bytes${about}` };
}

function ask(
  spec: HttpProbe,
  address: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        ...address,
        method: spec.method,
        path: spec.path,
        agent: false,
        signal,
        headers: { Host: "localhost" },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        let size = 0;
        incoming.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > mostBody) incoming.destroy(new Error(`the answer is longer than ${mostBody} bytes`));
          else chunks.push(chunk);
        });
        incoming.once("error", reject);
        incoming.once("end", () => {
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks),
          });
        });
      },
    );
    outgoing.once("error", reject);
    outgoing.end();
  });
}

/** What is wrong with an answer; nothing when it is as wanted. */
function complaint(spec: HttpProbe, { status, headers, body }: Answer): string | undefined {
  const said = body.length === 0 ? "" : `: ${lastLine(body.toString("utf8", 0, 4096))}`;
  if (spec.status === undefined ? status >= 400 : status !== spec.status) {
    return `status ${status}, wanted ${spec.status ?? "one below 400"}${said}`;
  }
  for (const [name, wanted] of Object.entries(spec.header ?? {})) {
    const found = headers[name.toLowerCase()];
    if (found === undefined) return `no header ${name}, wanted "${wanted}"`;
    if (!String(found).toLowerCase().includes(wanted.toLowerCase())) {
      return `header ${name} is "${String(found)}", wanted "${wanted}"`;
    }
  }
  const text = body.toString("utf8");
  if (spec.contains !== undefined && !text.includes(spec.contains)) {
    return `the body does not hold ${JSON.stringify(spec.contains)}${said}`;
  }
  return spec.json === true && !isJson(text) ? `the body is not JSON${said}` : undefined;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function unpublished(port: number | undefined): Found {
  const which = port === undefined ? "no port" : `port ${port}`;
  return { ok: false, detail: `${which} of the container is ${port === undefined ? "" : "not "}published` };
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    ECONNREFUSED: "the connection was refused",
    ECONNRESET: "the connection was reset",
    ABORT_ERR: "no answer in time",
  };
  return (
    known[code ?? ""] ??
    (error.name === "AbortError" || error.name === "TimeoutError" ? "no answer in time" : error.message)
  );
}

function lastLine(text: string): string {
  const line = text.trim().split("\n").at(-1) ?? "";
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
