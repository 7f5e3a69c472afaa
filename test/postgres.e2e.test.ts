import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hostPlatform } from "../src/image/index.ts";
import { whittle as build, root } from "./program.ts";
import { type Ended, SandboxMachine } from "./sandbox-machine.ts";

let machine: SandboxMachine;

// The database that the examples have beside them, built once from Debian's packages for everybody who runs it here.
beforeAll(async () => {
  machine = await SandboxMachine.make("dist/whittle.js");
  const { os, architecture, variant } = hostPlatform();
  const platform = [os, architecture, ...(variant === undefined ? [] : [variant])].join("/");
  const output = `type=oci,dest=${join(machine.directory, "postgres")}`;
  const base = join(root, "bases/postgres");
  const built = await build(join(machine.directory, "store"), [
    ...["build", base, "--platform", platform, "-t", "postgres:17", "-o", output],
  ]);
  expect({ status: built.status, stderr: built.status === 0 ? "" : built.stderr }).toEqual({
    status: 0,
    stderr: "",
  });
});

afterAll(async () => {
  const left = await machine.leftovers();
  await machine.remove();
  expect(left).toEqual([]);
});

describe.each(["root", "subordinate"] as const)("PostgreSQL beside an application of %s", (identity) => {
  const whittle = (...args: string[]): Promise<Ended> =>
    machine.whittle(identity, ["--progress", "quiet", ...args]);

  it("is reached by its name, and keeps its data when both are stopped, removed and started again", async () => {
    const directory = join(machine.directory, `shop-${identity}`);
    await mkdir(directory);
    await cp(machine.rootfs, join(directory, "root"), { recursive: true, verbatimSymlinks: true });
    const recipe = {
      name: "shop",
      images: {
        web: { files: [{ from: "./root", to: "/" }], config: { command: ["/bin/sleep", "1000"] } },
      },
      services: {
        db: {
          image: `oci:${join(machine.directory, "postgres")}`,
          env: { POSTGRES_PASSWORD: "example" },
          volumes: ["shop-db:/var/lib/postgresql/data"],
        },
      },
    };
    await writeFile(join(directory, "whittle.yaml"), JSON.stringify(recipe));
    const up = async (): Promise<void> => {
      const { status, stderr } = await whittle("run", "-d", "--stop-signal", "SIGKILL", directory);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    };
    const sql = (text: string): Promise<Ended> =>
      whittle(
        "exec",
        "-e",
        "PGPASSWORD=example",
        "shop-db",
        "psql",
        "-h",
        "db",
        "-U",
        "postgres",
        "-tAc",
        text,
      );

    await up();
    expect(await sql("create table recipes (name text); insert into recipes values ('bread')")).toMatchObject(
      {
        status: 0,
      },
    );
    expect((await whittle("exec", "shop-web", "/bin/grep", "db", "/etc/hosts")).stdout).toContain(
      "127.0.0.1\tdb",
    );
    expect((await whittle("stop", "--pod", "shop")).status).toBe(0);
    // It was asked to end by its own signal, and had the time to.
    expect((await whittle("logs", "shop-db")).stderr).toContain("database system is shut down");
    await up();
    expect((await sql("select name from recipes")).stdout).toBe("bread\n");
    expect((await whittle("rm", "-f", "-v", "--pod", "shop")).status).toBe(0);
    await up();
    expect((await sql("select name from recipes")).stdout).toBe("bread\n");
    expect((await whittle("rm", "-f", "--pod", "shop")).status).toBe(0);
    expect((await whittle("volume", "rm", "shop-db")).stdout).toBe("shop-db\n");
  });
});
