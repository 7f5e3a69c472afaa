import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DockerfilePlace } from "./dockerfile-place.ts";

/** A descriptor of an image layout, as far as it counts here. */
interface Link {
  digest: string;
  size: number;
}

describe("a cache without what only we read", () => {
  const random = "head -c 16 /dev/urandom >";
  let place: DockerfilePlace;

  beforeAll(async () => {
    place = await DockerfilePlace.make();
    // What another machine builds on is the same image.
    await place.build(["-o", "type=oci,dest=busybox", "-t", "x", "-"], { input: "FROM busybox\n" });
  });
  afterAll(() => place.remove());

  const blob = (layout: string, digest: string): string => join(layout, "blobs/sha256", digest.slice(7));
  const read = <T>(path: string): T => JSON.parse(readFileSync(path, "utf8")) as T;

  /** Puts another document in place of one that a descriptor leads to. */
  function replace(layout: string, link: Link, document: object): void {
    const bytes = Buffer.from(JSON.stringify(document));
    link.digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    link.size = bytes.length;
    writeFileSync(blob(layout, link.digest), bytes);
  }

  /** Takes Whittle's own records out of a cache, so that BuildKit's are left. */
  function withoutOurs(layout: string): void {
    const index = read<{ manifests: [Link] }>(join(layout, "index.json"));
    const [link] = index.manifests;
    const manifest = read<{ config: Link }>(blob(layout, link.digest));
    const document = read<{ records: { whittle?: object; inputs?: { link: number }[][] }[] }>(
      blob(layout, manifest.config.digest),
    );
    const kept = document.records.filter(({ whittle }) => whittle === undefined);
    const ours = document.records.length - kept.length;
    expect(document.records.slice(0, ours).every(({ whittle }) => whittle !== undefined)).toBe(true);
    for (const { inputs = [] } of kept) for (const input of inputs.flat()) input.link -= ours;
    replace(layout, manifest.config, { ...document, records: kept });
    replace(layout, link, manifest);
    writeFileSync(join(layout, "index.json"), JSON.stringify(index));
  }

  const dockerfile =
    `FROM busybox AS made\nWORKDIR /src\nCOPY --chown=7:8 one* dir/ ./\nRUN ${random} made && cp one out\n` +
    `FROM busybox\nCOPY --from=made /src/out /src/m* /from/\nCOPY --link dir /dir\n` +
    `RUN --mount=type=bind,source=dir,target=/mnt cat /mnt/* > /read && ${random} /last\n`;

  const context = (): string =>
    place.files(mkdtempSync(join(place.directory, "context-")).slice(place.directory.length + 1), {
      Dockerfile: dockerfile,
      one: "1\n",
      "one.more": "2\n",
      "dir/a": "3\n",
    });

  async function build(directory: string, store: string, ...words: string[]) {
    const base = ["--build-context", "busybox=oci-layout://busybox"];
    const { stdout, stderr } = await place.build([directory, ...base, ...words], { store });
    const labels = new Map<string, string>();
    const cached = new Set<string>();
    for (const line of stderr.split("\n")) {
      const [, number = "", text = ""] = /^(#\d+) (.*)$/.exec(line) ?? [];
      const label = /^\[[^\]]*\] ((?:RUN|COPY|WORKDIR) .*)/.exec(text)?.[1];
      if (label !== undefined) labels.set(number, label);
      if (text === "CACHED") cached.add(labels.get(number) ?? "");
    }
    return { stdout, cached: [...cached].sort() };
  }

  const instructions = dockerfile
    .split("\n")
    .filter((line) => /^(?:RUN|COPY|WORKDIR) /.test(line))
    .sort();

  let stores = 0;
  const newStore = (): string => join(place.directory, `store-${stores++}`);

  async function exported(mode: string): Promise<{ directory: string; from: string[]; stdout: string }> {
    const directory = context();
    const cache = join(place.directory, `cache-${stores}`);
    const to = `type=local,dest=${cache},mode=${mode}`;
    const { stdout, cached } = await build(directory, newStore(), "--cache-to", to);
    expect(cached).toEqual([]);
    withoutOurs(cache);
    return { directory, from: ["--cache-from", `type=local,src=${cache}`], stdout };
  }

  it.each(["max", "min"])("tells of every step by BuildKit's names: mode=%s", async (mode) => {
    const { directory, from, stdout } = await exported(mode);
    const there = await build(directory, newStore(), ...from);
    expect(there).toEqual({ stdout, cached: instructions });
  });

  it("tells of steps that read none of what has changed", async () => {
    const { directory, from } = await exported("max");
    writeFileSync(join(directory, "dir/a"), "4\n");
    writeFileSync(join(directory, "unread"), "5\n");
    const { cached } = await build(directory, newStore(), ...from);
    expect(cached).toEqual(["WORKDIR /src"]);
    writeFileSync(join(directory, "dir/a"), "3\n");
    expect((await build(directory, newStore(), ...from)).cached).toEqual(instructions);
  });
});
