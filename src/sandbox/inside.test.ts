import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readInside, resolveInside } from "./inside.ts";

describe("reading inside an image's directory", () => {
  let directory: string;
  let root: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "whittle-inside-"));
    root = join(directory, "root");
    await mkdir(join(root, "etc"), { recursive: true });
    await writeFile(join(directory, "secret"), "secret");
    await writeFile(join(root, "etc/passwd"), "inside");
  });

  afterEach(() => rm(directory, { recursive: true }));

  it.each([
    ["/etc/passwd", "inside"],
    ["etc/./passwd", "inside"],
    ["/../../etc/passwd", "inside"],
  ])("reads %s", async (path, text) => expect(await readInside(root, path)).toBe(text));

  it("takes links as the container would", async () => {
    await symlink("/etc", join(root, "absolute"));
    await symlink("../../../../etc/passwd", join(root, "upwards"));
    expect(await readInside(root, "/absolute/passwd")).toBe("inside");
    expect(await readInside(root, "/upwards")).toBe("inside");
  });

  it("leads out by no link, circle or name", async () => {
    await symlink(join(directory, "secret"), join(root, "out"));
    await symlink("../secret", join(root, "up"));
    await symlink("circle", join(root, "circle"));
    for (const path of ["/out", "/up", "/circle", "/../secret", "/etc", "/absent"]) {
      expect(await readInside(root, path)).toBeUndefined();
    }
    expect(await resolveInside(root, "/../../..")).toBe(root);
  });
});
