import { once } from "node:events";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Ended, SandboxMachine } from "./sandbox-machine.ts";

let machine: SandboxMachine;

beforeAll(async () => {
  machine = await SandboxMachine.make("dist/whittle.js");
});

afterAll(async () => {
  const left = await machine.leftovers();
  await machine.remove();
  expect(left).toEqual([]);
});

/** A project in a directory that everybody may read, with a small system as its context. */
async function project(name: string, recipe: object): Promise<string> {
  const directory = join(machine.directory, "projects", name);
  await mkdir(directory, { recursive: true });
  await cp(machine.rootfs, join(directory, "root"), { recursive: true, verbatimSymlinks: true });
  await writeFile(join(directory, "whittle.yaml"), JSON.stringify({ name, ...recipe }));
  return directory;
}

const files = [{ from: "./root", to: "/" }];
const asking = ["/bin/wget", "-qO-", "http://db:5432/table"];

describe.concurrent.each(["root", "subordinate"] as const)("services of %s", (identity) => {
  const whittle = (...args: string[]): Promise<Ended> =>
    machine.whittle(identity, ["--progress", "quiet", ...args]);
  /** What there is of a project; those of other tests are there at the same time. */
  const names = async (pod: string): Promise<string[]> => {
    const { stdout } = await whittle("ps", "-a", "--format", "json");
    return (JSON.parse(stdout) as { name: string; status: string }[])
      .map(({ name, status }) => `${name} ${status}`)
      .filter((line) => line.startsWith(pod))
      .sort();
  };

  /** What a first try left must not be there when it is tried again. */
  const forget = async (pod: string): Promise<void> => {
    await whittle("rm", "-f", "-v", "--pod", pod);
  };

  it("start before the image, are found by name, and end with it", async () => {
    await forget(`shop-${identity}`);
    await whittle("volume", "rm", `table-${identity}`);
    const db = await project(`db-${identity}`, {
      images: {
        server: {
          files: [...files, { content: "row\n", to: "/var/db/table" }],
          config: {
            // It takes a moment until it answers.
            command: ["/bin/sh", "-c", "sleep 1; exec httpd -f -p 5432 -h /var/db"],
            volumes: ["/var/db"],
            healthcheck: { test: ["CMD", "/bin/wget", "-qO-", "http://127.0.0.1:5432/table"] },
          },
        },
        other: { files, config: { volumes: ["/var/own"] } },
      },
    });
    await writeFile(join(machine.directory, "projects", "settings"), "# what is set\nGREETING=hello\n");
    const shop = await project(`shop-${identity}`, {
      images: { web: { files, config: { command: asking } } },
      services: {
        db: { image: `../db-${identity}#server`, volumes: [`table-${identity}:/var/db`] },
        cache: {
          image: `${db}#other`,
          command: ["/bin/sh", "-c", "echo $GREETING $NAME; exec sleep 1000"],
          env: { NAME: "you" },
          envFile: "../settings",
          dependsOn: ["db"],
        },
      },
    });

    const pod = `shop-${identity}`;
    const first = await whittle("run", "--rm", shop);
    expect(first).toEqual({ status: 0, stdout: "row\n", stderr: "" });
    expect(await names(pod)).toEqual([]);

    // In the background everything stays, and what runs already is used again.
    expect((await whittle("run", "-d", shop, "/bin/sleep", "1000")).status).toBe(0);
    const running = ["cache", "db", "web"].map((service) => `${pod}-${service} running`);
    expect(await names(pod)).toEqual(running);
    expect((await whittle("logs", `${pod}-cache`)).stdout).toBe("hello you\n");
    const write = "echo changed > /var/db/table";
    expect((await whittle("exec", `${pod}-db`, "/bin/sh", "-c", write)).status).toBe(0);
    expect((await whittle("run", "--rm", shop)).stdout).toBe("changed\n");
    expect(await names(pod)).toEqual(running);

    // What is in a volume outlives the containers; only one by name outlives their removal.
    expect((await whittle("exec", `${pod}-cache`, "/bin/touch", "/var/own/mine")).status).toBe(0);
    expect((await whittle("stop", "-t", "0", "--pod", pod)).status).toBe(0);
    expect((await whittle("run", "-d", shop, "/bin/sleep", "1000")).status).toBe(0);
    expect((await whittle("exec", `${pod}-web`, ...asking)).stdout).toBe("changed\n");
    expect((await whittle("exec", `${pod}-cache`, "/bin/ls", "/var/own")).stdout).toBe("mine\n");
    expect((await whittle("rm", "-f", "-v", "--pod", pod)).status).toBe(0);
    expect((await whittle("volume", "ls", "-q")).stdout).toBe(`table-${identity}\n`);
  });

  it("are taken down together when one fails, with its last words", async () => {
    const image = { files, config: { command: ["/bin/true"] } };
    await forget(`failing-${identity}`);
    const failing = await project(`failing-${identity}`, {
      images: { web: image },
      services: {
        good: { image: "web", command: ["/bin/sleep", "1000"] },
        bad: {
          image: "web",
          command: ["/bin/sh", "-c", "echo out of luck >&2; exit 3"],
          dependsOn: ["good"],
        },
      },
    });
    const { status, stderr } = await whittle("run", "--rm", failing);
    expect(status).toBe(4);
    expect(stderr).toMatch(/^whittle: Cannot start the service bad: .*status 3.*out of luck/);
    expect(await names(`failing-${identity}`)).toEqual([]);

    const circle = await project(`circle-${identity}`, {
      images: { web: image },
      services: { a: { image: "web", dependsOn: ["b"] }, b: { image: "web", dependsOn: ["a"] } },
    });
    expect(await whittle("run", circle)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("a depends on b depends on a"),
    });
    const absent = await project(`absent-${identity}`, {
      images: { web: image },
      services: { a: { image: "web", envFile: ".env" } },
    });
    expect(await whittle("run", absent)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("Cannot read the environment file"),
    });
  });

  it("need a project to be services of", async () => {
    expect(await whittle("run", "--rm")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("no image was named, and there is no whittle.yaml here"),
    });
    expect((await whittle("run", "--rm", "./nowhere")).status).toBe(2);
  });

  it("are taken down when the person does not want to wait", async () => {
    await forget(`slow-${identity}`);
    const slow = await project(`slow-${identity}`, {
      images: { web: { files, config: { command: ["/bin/true"] } } },
      services: {
        db: {
          image: "web",
          command: ["/bin/sleep", "1000"],
          healthcheck: { test: ["CMD", "/bin/false"] },
        },
      },
    });
    const child = machine.spawn(identity, ["--progress", "quiet", "run", "--rm", slow], { stdio: "ignore" });
    while (!(await names(`slow-${identity}`)).includes(`slow-${identity}-db running`)) await delay(100);
    child.kill("SIGINT");
    const [status] = (await once(child, "exit")) as [number];
    expect(status).toBe(130);
    expect(await names(`slow-${identity}`)).toEqual([]);
  });
});
