import { existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporary, whittle } from "./program.ts";

// A simulated image is told to stop while a slow client still reads.

const size = 96 * 1024 * 1024;
const names: string[] = [];
let directory = "";
let store = "";

interface Listed {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly exitCode?: number;
  readonly ports: readonly { readonly hostPort: number }[];
}

beforeAll(async () => {
  directory = temporary();
  store = join(directory, "store");
  const context = join(directory, "context");
  mkdirSync(join(context, "api"), { recursive: true });
  // Larger than all buffers between nginx and a client that does not read.
  writeFileSync(join(context, "api/big.bin"), "");
  truncateSync(join(context, "api/big.bin"), size);
  writeFileSync(join(context, "api/users.json"), "[]");
  writeFileSync(
    join(context, "whittle.yaml"),
    `images:
  by-default:
    from: { debian: bookworm }
    simulate: ./api
  bare:
    from: { debian: bookworm }
    packages: [nginx, busybox]
    simulate: ./api
`,
  );
  const built = await whittle(store, ["build", context]);
  expect(built.status, built.stderr).toBe(0);
});

afterAll(async () => {
  await whittle(store, ["rm", "-f", ...names]);
  rmSync(directory, { recursive: true, force: true });
});

async function listed(name: string): Promise<Listed | undefined> {
  const { stdout } = await whittle(store, ["ps", "--all", "--format", "json"]);
  return (JSON.parse(stdout) as Listed[]).find((each) => each.name === name);
}

/** Starts a container; answers with its name and the port that it is reached by. */
async function serve(image: string): Promise<{ readonly name: string; readonly port: number }> {
  const name = `stopping-${process.pid}-${names.length}`;
  names.push(name);
  const words = ["run", "-d", "--read-only", "--name", name, "-p", "127.0.0.1:0:8080", image];
  const ran = await whittle(store, words);
  expect(ran.status, ran.stderr).toBe(0);
  return { name, port: (await listed(name))?.ports[0]?.hostPort ?? 0 };
}

/** A client that has asked for the big file, has its first bytes and reads no further. */
async function slowClient(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.write("GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  await new Promise((resolve, reject) => socket.once("readable", resolve).once("error", reject));
  return socket;
}

/** Reads on to the end; answers with the length of the body. */
async function bodyLength(socket: Socket): Promise<number> {
  let head = "";
  let received = 0;
  for await (const chunk of socket) {
    received += (chunk as Buffer).length;
    if (!head.includes("\r\n\r\n")) head += (chunk as Buffer).toString("latin1");
  }
  return received - (head.indexOf("\r\n\r\n") + 4);
}

/** Sends a signal to the container's first process, from inside. */
async function signal(name: string, which: string): Promise<void> {
  const sent = await whittle(store, ["exec", name, "/bin/busybox", "kill", `-${which}`, "1"]);
  expect(sent.status, sent.stderr).toBe(0);
}

async function ended(name: string): Promise<number | undefined> {
  for (;;) {
    const now = await listed(name);
    if (now?.status === "exited") return now.exitCode;
    await delay(50);
  }
}

describe("a simulated image with an answer on its way", () => {
  it.each(["TERM", "QUIT"])("sends all of it after SIG%s, and ends with status 0", async (which) => {
    const { name, port } = await serve("context:by-default");
    const client = await slowClient(port);
    await signal(name, which);
    // It has stopped taking requests, not answering.
    for (let taken = true; taken; ) {
      taken = await fetch(`http://127.0.0.1:${port}/users`).then(
        (answer) => answer.ok,
        () => false,
      );
    }
    expect((await listed(name))?.status).toBe("running");
    expect(await bodyLength(client)).toBe(size);
    expect(await ended(name)).toBe(0);
  });

  it("is stopped by whittle stop with all of it sent", async () => {
    const { name, port } = await serve("context:by-default");
    const client = await slowClient(port);
    const [stopped, length] = await Promise.all([
      whittle(store, ["stop", "--time", "30", name]),
      bodyLength(client),
    ]);
    expect(stopped.status, stopped.stderr).toBe(0);
    expect(length).toBe(size);
    expect(await ended(name)).toBe(0);
  });

  it("without dumb-init, is graceful after its own stop signal", async () => {
    const { name, port } = await serve("context:bare");
    const client = await slowClient(port);
    await signal(name, "QUIT");
    expect(await bodyLength(client)).toBe(size);
    expect(await ended(name)).toBe(0);
  });
});

describe("a container whose supervisor was killed", () => {
  it.each([["stop"], ["rm", "-f"]])("is shown as it is, and %s ends it", async (...verb) => {
    const { name } = await serve("context:by-default");
    const inspected = await listed(name);
    const state = JSON.parse(
      readFileSync(join("/run/whittle/containers", inspected?.id ?? "", "state.json"), "utf8"),
    ) as { supervisor: { pid: number }; process: { pid: number } };
    process.kill(state.supervisor.pid, "SIGKILL");
    while (existsSync(`/proc/${state.supervisor.pid}/cwd`)) await delay(10);
    expect(await listed(name)).toMatchObject({ status: "running", attended: false });
    const shown = await whittle(store, ["ps"]);
    expect(shown.stdout).toMatch(new RegExp(`${name} .* Up .* \\(unattended\\)`));
    expect(shown.stderr).toContain(`whittle stop ${name}`);
    const ended = await whittle(store, [...verb, name]);
    expect(ended.status, ended.stderr).toBe(0);
    expect(existsSync(`/proc/${state.process.pid}/cwd`)).toBe(false);
    expect((await listed(name))?.status).toBe(verb[0] === "stop" ? "exited" : undefined);
  });
});
