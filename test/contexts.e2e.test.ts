import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DockerfilePlace } from "./dockerfile-place.ts";

let place: DockerfilePlace;
let context = "";
let server: Server;
let address = "";

beforeAll(async () => {
  place = await DockerfilePlace.make();
  context = place.files("context", {
    Dockerfile: "FROM scratch\nCOPY . /\n",
    "Other.Dockerfile": "FROM scratch\nCOPY a.txt /other\n",
    ".dockerignore": "*.md\n!kept.md\n",
    "Other.Dockerfile.dockerignore": "b.txt\n",
    "a.txt": "a",
    "b.txt": "b",
    "left-out.md": "",
    "kept.md": "",
  });
  server = createServer((request, response) => {
    try {
      response.end(readFileSync(join(place.directory, "served", (request.url ?? "").split("?")[0] ?? "")));
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.close();
  place.remove();
});

function tar(...words: string[]): Buffer {
  return execFileSync("tar", ["-C", context, "-c", ...words, "."], { maxBuffer: 1e8 });
}

const plain = ["/.dockerignore", "/Dockerfile", "/Other.Dockerfile", "/Other.Dockerfile.dockerignore"];
const all = [...plain, "/a.txt", "/b.txt", "/kept.md", "/left-out.md"];
const ignored = all.filter((path) => path !== "/left-out.md");

describe("a context", () => {
  it("is a directory without what .dockerignore leaves out", async () => {
    await place.build([context, "-t", "directory"]);
    expect(await place.paths("directory")).toEqual(ignored);
  });

  it.each([["plain"], ["-z"], ["-j"], ["-J"], ["--zstd"]])("is a tar on standard input: %s", async (flag) => {
    await place.build(["-", "-t", "tar"], { input: tar(...(flag === "plain" ? [] : [flag])) });
    // As in BuildKit, .dockerignore is for directories.
    expect(await place.paths("tar")).toEqual(all);
  });

  it("is a tar with the Dockerfile that -f names in it", async () => {
    await place.build(["-f", "Other.Dockerfile", "-t", "tar-f", "-"], { input: tar("-z") });
    expect(await place.paths("tar-f")).toEqual(["/other"]);
  });

  it("is nothing beside a Dockerfile on standard input", async () => {
    await place.build(["-", "-t", "alone"], { input: "FROM busybox\nRUN echo made > /made\n" });
    expect(await place.paths("alone")).toContain("/made");
  });

  it("goes with a Dockerfile on standard input by -f -", async () => {
    await place.build(["-f", "-", "-t", "both", context], { input: "FROM scratch\nCOPY b.txt /in\n" });
    expect(await place.paths("both")).toEqual(["/in"]);
  });

  it("goes with a Dockerfile elsewhere, and with the .dockerignore beside that", async () => {
    await place.build(["-f", "context/Other.Dockerfile", "-t", "elsewhere", context]);
    expect(await place.paths("elsewhere")).toEqual(["/other"]);
    const refused = await place.tryBuild(["-f", "-", context], { input: "FROM scratch\nCOPY no.md /\n" });
    expect(refused.stderr).toContain(".dockerignore:1 (*.md) leaves it out");
  });

  it("is the address of a tar, or of a Dockerfile", async () => {
    place.files("served", {
      "context.tar.gz": tar("-z"),
      Dockerfile: "FROM scratch\nCOPY . /in\n",
    });
    await place.build([`${address}/context.tar.gz`, "-t", "fetched"]);
    expect(await place.paths("fetched")).toEqual(all);
    await place.build([`${address}/Dockerfile`, "-t", "dockerfile"]);
    expect(await place.paths("dockerfile")).toEqual(["/in/context"]);
    await place.build(["-f", `${address}/Dockerfile`, "-t", "fetched-file", context]);
    expect(await place.paths("fetched-file")).toContain("/in/a.txt");
  });

  it("is a git repository, a ref and a directory of it", async () => {
    const work = place.files("work", { "sub/Dockerfile": "FROM scratch\nCOPY . /\n", "sub/x": "x", y: "y" });
    const git = (...words: string[]): void => {
      const identity = [
        "-c",
        "user.name=n",
        "-c",
        "user.email=e@example.org",
        "-c",
        "init.defaultBranch=main",
      ];
      execFileSync("git", [...identity, "-C", work, ...words], { stdio: "pipe" });
    };
    git("init", "-q");
    git("add", ".");
    git("commit", "-q", "-m", "first");
    git("clone", "-q", "--bare", ".", join(place.directory, "served/r.git"));
    execFileSync("git", ["-C", join(place.directory, "served/r.git"), "update-server-info"]);
    await place.build([`${address}/r.git#main:sub`, "-t", "git"]);
    expect(await place.paths("git")).toEqual(["/Dockerfile", "/x"]);
    const missing = await place.tryBuild([`${address}/r.git#nowhere`]);
    expect([missing.status, missing.stderr]).toEqual([2, expect.stringContaining("nowhere")]);
  });

  it.each([
    ["a name that leads out", "../outside"],
    ["an absolute name", "/etc/passwd"],
  ])("that is a tar with %s cannot reach outside", async (_what, name) => {
    writeFileSync(join(context, "..", "outside"), "x");
    const hostile = execFileSync("tar", [
      "-C",
      context,
      "-c",
      "-P",
      "--transform",
      `s,^\\./a.txt$,${name},`,
      ".",
    ]);
    const finished = await place.tryBuild(["-", "-t", "hostile"], { input: hostile });
    if (finished.status === 0) expect(await place.paths("hostile")).toContain("/etc/passwd");
    else expect(finished.stderr).toContain("Cannot use the context");
    expect(readFileSync(join(context, "..", "outside"), "utf8")).toBe("x");
  });
});

describe("a named context", () => {
  const files = "FROM scratch\nCOPY --from=other . /\n";

  it("is a directory with a .dockerignore of its own", async () => {
    await place.build(["-", "-t", "n1", "--build-context", "other=context"], { input: files });
    expect(await place.paths("n1")).toEqual(ignored);
  });

  it("is an image, in place of a base or of a whole stage", async () => {
    await place.build(["-", "-t", "with-file"], { input: "FROM busybox\nRUN touch /file\n" });
    const base = ["--build-context", "docker.io/library/base:latest=docker-image://with-file"];
    await place.build(["-", "-t", "n2", ...base], { input: "FROM base\n" });
    expect(await place.paths("n2")).toContain("/file");
    const stage = "FROM nowhere AS made\nRUN false\nFROM scratch\nCOPY --from=made /file /\n";
    await place.build(["-", "-t", "n3", "--build-context", "made=docker-image://with-file"], {
      input: stage,
    });
    expect(await place.paths("n3")).toEqual(["/file"]);
  });

  it("is an image in a layout, by tag and by digest", async () => {
    await place.whittle(["tag", "busybox", "saved"]);
    const { stdout } = await place.build(["-", "-t", "l", "-o", "type=oci,dest=layout"], {
      input: "FROM busybox\nRUN touch /in-layout\n",
    });
    for (const where of ["layout", `layout@${stdout.trim()}`]) {
      await place.build(["-", "-t", "n4", "--build-context", `base=oci-layout://${where}`], {
        input: "FROM base\n",
      });
      expect(await place.paths("n4")).toContain("/in-layout");
    }
  });

  it("is a file at an address", async () => {
    place.files("served", { "one.txt": "one" });
    const input = "FROM scratch\nCOPY --from=web /context /one\n";
    await place.build(["-", "-t", "n5", "--build-context", `web=${address}/one.txt`], { input });
    expect(await place.paths("n5")).toEqual(["/one"]);
  });

  it("is the first layer of a stage that starts from it", async () => {
    await place.build(["-", "-t", "n6", "--build-context", "files=context"], {
      input: "FROM files\nCOPY --from=files a.txt /again\n",
    });
    expect(await place.paths("n6")).toEqual([...ignored, "/again"].sort());
  });

  it("is explained where it is none", async () => {
    const input = "FROM x\n";
    const tries = [
      ["x=docker-image://nothing", /store has no such image/],
      ["x=oci-layout://nothing", /nothing.*no.*layout/s],
      ["x=nothing", /nothing: no such file/],
      ["x=target:y", /target: is not known/],
      ["x", /NAME=DIRECTORY is wanted/],
    ] as const;
    for (const [words, says] of tries) {
      const finished = await place.tryBuild(["-", "--build-context", words], { input });
      expect([finished.status, finished.stderr]).toEqual([2, expect.stringMatching(says)]);
    }
  });
});
