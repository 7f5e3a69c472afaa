import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { openStore, type Store } from "../../store/index.ts";
import { type RunningRegistry, type ServeOptions, serve } from "./serve.ts";

/** A registry in this process, and what a test needs to talk to it in ways that no client would. */
export interface Served {
  readonly store: Store;
  readonly registry: RunningRegistry;
  readonly origin: string;
  /** What was logged so far. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  /** A connection, with what came in on it so far and its end. */
  connect(): Connection;
}

export interface Connection {
  readonly socket: Socket;
  readonly text: () => string;
  readonly closed: Promise<void>;
}

/** Serves an empty store until the test is over. */
export async function served(options: Partial<ServeOptions> = {}): Promise<Served> {
  const directory = mkdtempSync(join(tmpdir(), "whittle-test-"));
  const store = await openStore(join(directory, "store"), { create: true });
  const log: Record<string, unknown>[] = [];
  const { host = "127.0.0.1" } = options;
  const registry = await serve(store, {
    ...{ host, port: 0, readOnly: false, anonymousPull: false, grace: 200 },
    ...options,
    log: (line) => log.push(JSON.parse(line) as Record<string, unknown>),
  });
  const sockets: Socket[] = [];
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await registry.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  const open = (): Connection => {
    const socket = connect(registry.port, host);
    sockets.push(socket);
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    // Being cut off is what these tests are about.
    socket.on("error", () => undefined);
    const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
    return { socket, text: () => text, closed };
  };
  return { store, registry, origin: `http://${host}:${registry.port}`, log, connect: open };
}
