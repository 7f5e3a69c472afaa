import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DockerfilePlace } from "./dockerfile-place.ts";

let place: DockerfilePlace;
let context = "";

beforeAll(async () => {
  place = await DockerfilePlace.make();
  context = place.files("context", {
    ".dockerignore": "# notes\n\n*.md\n",
    "notes.md": "",
    "users.json": "",
    // Bytes that no compression makes fewer.
    whole: randomBytes(100_000),
  });
  const packed = execFileSync("tar", ["-C", context, "-cz", "whole"]);
  place.files("context", { "cut.tar.gz": packed.subarray(0, 50_000) });
});

afterAll(() => place.remove());

interface Mistake {
  readonly name: string;
  readonly dockerfile: string;
  readonly says: readonly (string | RegExp)[];
  readonly words?: readonly string[];
  readonly status?: number;
}

const mistakes: readonly Mistake[] = [
  {
    name: "an instruction that there is not",
    dockerfile: "FROM busybox\nRUNN true\n",
    says: ["Dockerfile:2:1", "2 | RUNN true", "did you mean RUN?"],
  },
  {
    name: "a flag that there is not",
    dockerfile: "FROM busybox\nCOPY --form=x a /b\n",
    says: ["Dockerfile:2:6", "  |      ^", "--form (did you mean --from?)"],
  },
  {
    name: "a file that is not there",
    dockerfile: "FROM busybox\nCOPY user.json /\n",
    says: ["Dockerfile:2:6", "the context has no such file", "did you mean users.json?"],
  },
  {
    name: "a file that .dockerignore hides",
    dockerfile: "FROM busybox\nCOPY notes.md /\n",
    says: ["Dockerfile:2:6", "left out of the context", ".dockerignore:3 (*.md) leaves it out"],
  },
  {
    name: "a file that a stage does not have",
    dockerfile: "FROM busybox AS made\nFROM scratch\nCOPY --from=made /etc/paswd /\n",
    says: ["Dockerfile:3", "made has no such file", "did you mean etc/passwd?"],
  },
  {
    name: "a stage that is nearly right",
    dockerfile: "FROM busybox AS builder\nFROM scratch\nCOPY --from=bilder /etc/passwd /\n",
    says: ["Dockerfile:3:13", "bilder", "did you mean builder?", "docker-image://"],
  },
  {
    name: "a stage by a number that is too high",
    dockerfile: "FROM busybox\nFROM scratch\nCOPY --from=7 /etc/passwd /\n",
    says: ["Dockerfile:3:13", "invalid stage index 7", "from 0 to 1"],
  },
  {
    name: "stages that wait for each other",
    dockerfile:
      "FROM busybox AS a\nCOPY --from=b /x /\nFROM busybox AS b\nRUN --mount=from=a,target=/a true\n",
    says: ["circular dependency detected on stage: a", "a needs b needs a"],
  },
  {
    name: "a stage that comes later",
    dockerfile: "FROM busybox AS a\nCOPY --from=b /x /\nFROM busybox AS b\n",
    words: ["--target", "a"],
    says: ["Dockerfile:2:13", "needs to be defined before"],
  },
  {
    name: "a target that there is not",
    dockerfile: "FROM busybox AS builder\n",
    words: ["--target", "bulder"],
    says: ['the stage "bulder"', "did you mean builder?", "it has: builder"],
  },
  {
    name: "a base that is not there",
    dockerfile: "FROM localhost:9/nothing:1\n",
    status: 2,
    says: ["Dockerfile:1:6", "localhost:9/nothing:1", "--build-context", "whittle tag"],
  },
  {
    name: "a base that Debian's archive gives",
    dockerfile: "FROM localhost:9/x AS y\nFROM scratch\nCOPY --from=y / /\n",
    says: ["Dockerfile:1:6"],
  },
  {
    name: "a secret that was not given",
    dockerfile: "FROM busybox\nRUN --mount=type=secret,id=token,required=true true\n",
    says: ["token", "--secret id=token,src=FILE"],
  },
  {
    name: "a secret whose file is not there",
    dockerfile: "FROM busybox\n",
    words: ["--secret", "id=token,src=nowhere"],
    says: ["the secret token", "nowhere: no such file"],
  },
  {
    name: "a variable that must be set",
    dockerfile: "FROM busybox\nENV a=${B:?has to be set}\n",
    says: ["Dockerfile:2:", "has to be set"],
  },
  {
    name: "a port that there is not",
    dockerfile: "FROM busybox\nEXPOSE 80 99999999\n",
    says: ["Dockerfile:2:11", "invalid containerPort: 99999999"],
  },
  {
    name: "a command where there is no shell",
    dockerfile: "FROM scratch\nRUN true\n",
    status: 4,
    says: ["Dockerfile:2:1", "hint: the stage has no /bin/sh"],
  },
  {
    name: "an archive that is cut short",
    dockerfile: "FROM scratch\nADD cut.tar.gz /\n",
    status: 4,
    says: ["Dockerfile:2:1", "Cannot unpack cut.tar.gz: ", "unexpected end", /\nhint: .*COPY/],
  },
  {
    name: "RUN for another operating system",
    dockerfile: "FROM scratch\nRUN true\n",
    words: ["--platform", "windows/amd64"],
    says: ["Dockerfile:2:1", "kernel of windows", "$BUILDPLATFORM"],
  },
  {
    name: "a flag of the command line that is nearly right",
    dockerfile: "FROM busybox\n",
    words: ["--tagret", "x"],
    says: ["--target"],
  },
  {
    name: "a Dockerfile that is not there",
    dockerfile: "FROM busybox\n",
    words: ["-f", "context/Dockerfle"],
    says: ["Dockerfle", "did you mean -f Dockerfile?"],
  },
];

describe("a mistake in a Dockerfile is explained", () => {
  it.each(mistakes)("$name", async ({ dockerfile, says, words = [], status }) => {
    place.files("context", { Dockerfile: dockerfile });
    const finished = await place.tryBuild([context, ...words]);
    expect([2, 3, 4]).toContain(finished.status);
    if (status !== undefined) expect(finished.status, finished.stderr).toBe(status);
    expect(finished.stdout).toBe("");
    for (const words_ of says) expect(finished.stderr).toMatch(words_);
    expect(finished.stderr).not.toMatch(/\n {4}at |Internal error/);
  });

  it("variables that nobody set are worth a warning", async () => {
    place.files("context", { Dockerfile: "FROM busybox\nARG VERSION=1\nENV v=$VERSIN\n" });
    const { stderr } = await place.build([context]);
    expect(stderr).toMatch(
      /warning: .*Dockerfile:3: UndefinedVar: .*'\$VERSIN' \(did you mean \$VERSION\?\)/,
    );
  });

  it("build checks fail a build that wants them to, before anything runs", async () => {
    const dockerfile = "# check=error=true\nFROM busybox as b\nRUN exit 7\nCMD x\n";
    place.files("context", { Dockerfile: dockerfile });
    const strict = await place.tryBuild([context]);
    expect(strict.status).toBe(1);
    expect(strict.stderr).toMatch(/warning: .*Dockerfile:2: FromAsCasing: /);
    expect(strict.stderr).toMatch(/lint violation found for rules: FromAsCasing, JSONArgsRecommended/);
    const checked = await place.tryBuild([context, "--check"]);
    expect(checked.status).toBe(1);
    expect(checked.stdout.match(/(?<=:\d: |:\d\d: )\w+/g)).toEqual(["FromAsCasing", "JSONArgsRecommended"]);
    const skipped = ["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all"];
    expect((await place.tryBuild([context, ...skipped, "--check"])).status).toBe(0);
    expect((await place.tryBuild([context, ...skipped])).stderr).toMatch(/exit status 7/);
  });

  it("a context may have a socket in it; one that cannot be read is named", async () => {
    place.files("context", { Dockerfile: "FROM scratch\nCOPY . /in\n" });
    const server = createServer().listen(join(context, "socket"));
    await place.build([context, "-t", "socket"]);
    server.close();
    expect(await place.paths("socket")).toContain("/in/users.json");
    if (process.getuid?.() === 0) {
      const missing = await place.tryBuild([join(context, "nowhere"), "-f", "context/Dockerfile"]);
      expect([missing.status, missing.stderr]).toEqual([2, expect.stringContaining("no such file")]);
      return;
    }
    mkdirSync(join(context, "closed"));
    chmodSync(join(context, "closed"), 0);
    const closed = await place.tryBuild([context]);
    expect([closed.status, closed.stderr]).toEqual([3, expect.stringMatching(/closed.*permission denied/)]);
  });
});
