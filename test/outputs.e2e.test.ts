import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DockerfilePlace } from "./dockerfile-place.ts";
import { program } from "./program.ts";

let place: DockerfilePlace;
const input = "FROM busybox\nCOPY <<EOF /made\nmade\nEOF\nLABEL a=b\n";

beforeAll(async () => {
  place = await DockerfilePlace.make();
});

afterAll(() => place.remove());

const at = (...parts: string[]): string => join(place.directory, ...parts);
const json = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
const blob = (layout: string, digest: string): string => at(layout, "blobs/sha256", digest.slice(7));

interface Manifest {
  readonly mediaType: string;
  readonly config: { readonly mediaType: string; readonly digest: string };
  readonly layers: readonly { readonly mediaType: string; readonly digest: string }[];
  readonly manifests: readonly {
    readonly digest: string;
    readonly annotations?: Record<string, string>;
    readonly platform: { readonly architecture: string };
  }[];
  readonly annotations?: Record<string, string>;
}

/** The manifest or index that a layout holds. */
function top(layout: string): Manifest {
  const index = json(at(layout, "index.json")) as { manifests: { digest: string }[] };
  return json(blob(layout, index.manifests[0]?.digest ?? "")) as Manifest;
}

describe("-o", () => {
  it("writes several outputs of one build", async () => {
    const outputs = [
      ...["-o", "files", "-o", "type=tar,dest=files.tar", "-o", "type=docker,dest=docker.tar"],
      ...["-o", "type=oci,dest=oci.tar", "-o", "type=docker,dest=docker,tar=false", "-o", "type=store"],
    ];
    await place.build(["-", "-t", "several:1", ...outputs], { input });
    expect(readFileSync(at("files/made"), "utf8")).toBe("made\n");
    expect(execFileSync("tar", ["-xOf", at("files.tar"), "made"], { encoding: "utf8" })).toBe("made\n");
    expect(execFileSync("tar", ["-tf", at("docker.tar")], { encoding: "utf8" })).toContain("manifest.json");
    expect(
      execFileSync("skopeo", ["inspect", `oci-archive:${at("oci.tar")}`], { encoding: "utf8" }),
    ).toContain('"a": "b"');
    expect(existsSync(at("docker/index.json"))).toBe(true);
    expect(await place.paths("several:1")).toContain("/made");
  });

  it("writes an archive to standard output, and nothing else there", async () => {
    for (const words of ["-", "type=tar,dest=-"]) {
      const { stdout } = await place.build(["-", "-o", words], { input });
      const listed = execFileSync("tar", ["-t"], { input: Buffer.from(stdout, "latin1"), encoding: "utf8" });
      expect(listed.split("\n")).toContain("made");
    }
    const { stdout } = await place.build(["-", "-o", "type=docker,dest=-"], { input });
    const listed = execFileSync("tar", ["-t"], { input: Buffer.from(stdout, "latin1"), encoding: "utf8" });
    expect(listed).toContain("manifest.json");
  });

  it("writes docker's archive into a pipe that nobody named, and the digest where it was asked for", () => {
    const pipe = (words: string): Buffer => {
      const line = `"$NODE" "$PROGRAM" build - ${words} | cat > "$FILE"`;
      const own = { WHITTLE_STORE: at("store"), XDG_CACHE_HOME: at("cache"), FILE: at("piped") };
      const env = { ...process.env, ...own, NODE: process.execPath, PROGRAM: program };
      execFileSync("bash", ["-o", "pipefail", "-c", line], {
        input,
        env,
        stdio: ["pipe", "ignore", "ignore"],
      });
      return readFileSync(at("piped"));
    };
    const listed = execFileSync("tar", ["-xO", "manifest.json"], {
      input: pipe("-t piped:1 -o type=docker"),
      encoding: "utf8",
    });
    expect(JSON.parse(listed)).toMatchObject([{ RepoTags: ["piped:1"] }]);
    expect(pipe("-q -o type=store").toString()).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  });

  it("gives each platform a directory of its own", async () => {
    const cross = "FROM scratch\nARG TARGETPLATFORM\nCOPY <<EOF /of\n$TARGETPLATFORM\nEOF\n";
    await place.build(["-", "--platform", "linux/amd64,linux/arm/v6", "-o", "several"], { input: cross });
    expect(readdirSync(at("several")).sort()).toEqual(["linux_amd64", "linux_arm_v6"]);
    expect(readFileSync(at("several/linux_arm_v6/of"), "utf8")).toBe("linux/arm/v6\n");
  });

  it("writes forms of its own: compression, media types, annotations", async () => {
    const outputs = [
      "type=oci,dest=zstd,compression=zstd,force-compression=true",
      "type=oci,dest=plain,compression=uncompressed",
      "type=oci,dest=schema2,oci-mediatypes=false,annotation.x=y",
    ];
    const words = outputs.flatMap((output) => ["-o", output]);
    await place.build(["-", ...words], { input });
    const types = (layout: string): string[] => top(layout).layers.map(({ mediaType }) => mediaType);
    const oci = "application/vnd.oci.image.layer.v1.tar";
    expect(types("zstd")).toEqual([`${oci}+zstd`, `${oci}+zstd`]);
    expect(types("plain")).toEqual([oci, oci]);
    expect(types("schema2").at(-1)).toBe("application/vnd.docker.image.rootfs.diff.tar.gzip");
    expect(top("schema2").mediaType).toBe("application/vnd.docker.distribution.manifest.v2+json");
    expect(top("schema2").annotations).toEqual({ x: "y" });
    for (const layout of ["zstd", "plain", "schema2"]) {
      execFileSync("skopeo", ["copy", "-q", `oci:${at(layout)}`, `dir:${at(`${layout}-copy`)}`]);
    }
  });

  it("cuts times at SOURCE_DATE_EPOCH where asked to", async () => {
    const words = ["-", "-o", "type=oci,dest=cut,rewrite-timestamp=true,compression=uncompressed"];
    await place.build(words, {
      input: "FROM busybox\nRUN touch /new\n",
      environment: { SOURCE_DATE_EPOCH: "7" },
    });
    const layer = blob("cut", top("cut").layers.at(-1)?.digest ?? "");
    const listed = execFileSync("tar", ["--full-time", "--utc", "-tvf", layer], { encoding: "utf8" });
    expect(listed).toMatch(/1970-01-01 00:00:07 new$/m);
  });

  it("annotates manifests and indexes", async () => {
    const words = [
      "--annotation",
      "a=1",
      "--annotation",
      "index:b=2",
      "--annotation",
      "manifest[linux/arm64]:c=3",
    ];
    await place.build(["-", "--platform", "linux/amd64,linux/arm64", "-o", "type=oci,dest=said", ...words], {
      input: "FROM scratch\nLABEL x=y\n",
    });
    const index = top("said");
    expect(index.annotations).toEqual({ b: "2" });
    const manifests = index.manifests.map(({ digest }) => json(blob("said", digest)) as Manifest);
    expect(manifests.map(({ annotations }) => annotations)).toEqual([{ a: "1" }, { a: "1", c: "3" }]);
    const alone = await place.tryBuild(["-", "--annotation", "index:b=2"], { input });
    expect([alone.status, alone.stderr]).toEqual([2, expect.stringContaining("single platform has none")]);
  });

  it("refuses what cannot be", async () => {
    const tries = [
      [["-o", "type=local,dest=-"], /directory cannot be written/],
      [["-o", "-", "-o", "type=tar,dest=-"], /two outputs/],
      [["-o", "type=x,dest=y"], /"x" is not known/],
      [["-o", "type=docker,dest=several.tar", "--platform", "nothing/"], /platform/],
    ] as const;
    for (const [words, says] of tries) {
      const finished = await place.tryBuild(["-", ...words], { input });
      expect([finished.status, finished.stderr]).toEqual([2, expect.stringMatching(says)]);
    }
    const none = await place.tryBuild(["-", "--load"], { input, environment: { PATH: "/nowhere" } });
    expect([none.status, none.stderr]).toEqual([3, expect.stringMatching(/no program docker.*\nhint: /s)]);
  });
});

describe("what scripts read", () => {
  it("is written to files, and to standard output alone with -q", async () => {
    const words = ["-t", "read:1", "--iidfile", "id", "--metadata-file", "meta.json", "-q", "-"];
    const { stdout, stderr } = await place.build(words, { input });
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    expect(readFileSync(at("id"), "utf8")).toBe(stdout.trim());
    const meta = json(at("meta.json")) as Record<string, unknown>;
    expect(meta["containerimage.digest"]).toBe(stdout.trim());
    expect(meta["containerimage.descriptor"]).toMatchObject({ digest: stdout.trim() });
    expect(meta["containerimage.config.digest"]).toMatch(/^sha256:/);
    expect(meta["image.name"]).toBe("read:1");
  });

  it("is the graph with --dry-run, and what is questionable with --check", async () => {
    const graph = await place.build(["-", "--dry-run", "--format", "json"], { input });
    const { steps } = JSON.parse(graph.stdout) as { steps: { number: number; kind: string }[] };
    expect(steps.map(({ kind }) => kind)).toEqual(["base", "inline", "copy", "layer", "assemble"]);
    expect((await place.build(["-", "--dry-run"], { input })).stdout).toMatch(/^#1 base .*\n#2 inline/);
    const questionable = "FROM nowhere AS Made\nENV a $B\n";
    const checked = await place.tryBuild(["-", "--check"], { input: questionable });
    expect(checked.status).toBe(1);
    expect(checked.stdout).toMatch(
      /^Dockerfile:1:17: StageNameCasing: .*\n1 \| FROM nowhere AS Made\n {2}\| {17}\^\nDockerfile:2:1: Legacy/,
    );
    expect((await place.tryBuild(["-", "--check"], { input: "FROM scratch\nLABEL a=b\n" })).status).toBe(0);
    const privileged = "FROM nowhere\nRUN --network=host --security=insecure true\n";
    expect((await place.tryBuild(["-", "--check"], { input: privileged })).status).toBe(0);
  });

  it("is a Dockerfile's targets and what can be given to one with --call", async () => {
    const described = "# V is for all\nARG V=1\nFROM nowhere AS made\nFROM made\nARG V\nARG W=$V.2\n";
    const targets = await place.build(["-", "--call=targets"], { input: described });
    expect(targets.stdout).toBe("TARGET     DESCRIPTION\nmade\n(default)\n");
    const outline = await place.build(["-", "--call", "outline", "--build-arg", "V=3"], { input: described });
    expect(outline.stdout).toBe(
      "TARGET: (default)\n\nBUILD ARG  VALUE  DESCRIPTION\nV          3\nW          3.2\n",
    );
    const json = await place.build(["-", "--call=targets,format=json"], { input: described });
    expect(JSON.parse(json.stdout)).toMatchObject({ targets: [{ name: "made" }, { default: true }] });
  });
});
