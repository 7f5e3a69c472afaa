import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { connectOutside, findOutbound } from "../src/sandbox/index.ts";

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** A shell in a network namespace of its own, which says what it printed once it got a line to go on. */
async function shellInNetwork(script: string): Promise<{ pid: number; go(): Promise<string> }> {
  const child = spawn("unshare", ["--net", "sh", "-c", `echo there; read line; ${script}`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  await once(child.stdout, "data");
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  return {
    pid: child.pid ?? 0,
    async go() {
      child.stdin.write("go\n");
      await once(child, "close");
      return printed;
    },
  };
}

describe("a network namespace's way out", () => {
  it("gives a route and name servers, and keeps the machine's loopback address out of reach", async () => {
    const program = await findOutbound(process.env);
    if (program === undefined) throw new Error("slirp4netns is wanted: apt-get install slirp4netns");
    const server = createServer((socket) => socket.end("the machine")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const reach = `timeout 2 bash -c 'exec 3<>/dev/tcp/10.0.2.2/${port}' 2>&1 || echo kept out`;
    const shell = await shellInNetwork(`cat /proc/net/route; ${reach}`);
    const outbound = await connectOutside(program, shell.pid, new AbortController().signal);
    const printed = await shell.go();
    await outbound.stop();
    await outbound.stop();
    server.close();
    expect(printed).toMatch(/^tap0\t00000000\t/m);
    expect(printed).toContain("kept out");
  });

  it("says so when the namespace is not there", async () => {
    const program = await findOutbound(process.env);
    if (program === undefined) throw new Error("slirp4netns is wanted: apt-get install slirp4netns");
    const gone = spawn("true");
    await once(gone, "close");
    await expect(connectOutside(program, gone.pid ?? 0, new AbortController().signal)).rejects.toMatchObject({
      code: "ENVIRONMENT",
    });
  });
});
