import { describe, expect, it } from "vitest";
import { carve, standardEvidence, surfaceOf } from "../carve/index.ts";
import { bytesContent, digestOfJson, type WhittleError } from "../io/index.ts";
import { attributes, type Entry, Tree, treeOf } from "../tree/index.ts";
import { contentTime } from "./bodies.ts";
import { simulate } from "./simulate.ts";

const file = (text: string, mode = 0o644): Entry => ({
  type: "file",
  ...attributes(mode),
  content: bytesContent(text),
});
const folder = (files: Record<string, string>): Tree =>
  treeOf(Object.entries(files).map(([name, text]) => [`/${name}`, file(text)] as const));

describe("simulate", () => {
  it("puts the files under /srv/api with times made of their bytes", async () => {
    const { tree } = await simulate(folder({ "a.json": "1", "b.json": "2", "c.json": "1" }));
    const times = ["a", "b", "c"].map((name) => tree.get(`/srv/api/${name}.json`)?.mtime ?? 0);
    expect(times[0]).toBe(times[2]);
    expect(times[0]).not.toBe(times[1]);
    for (const time of times) expect(time).toBeGreaterThan(0);
  });

  it("keeps such a time within 31 bits and in the past", () => {
    expect(contentTime(`sha256:${"f".repeat(64)}`)).toBe(2 ** 30);
    expect(contentTime(`sha256:${"0".repeat(64)}`)).toBe(1);
  });

  it("compresses what gets smaller and nothing else", async () => {
    const { tree } = await simulate(
      folder({ "long.json": "[1]".repeat(500), "short.json": "[]", "x.png": "a".repeat(1000) }),
    );
    expect(tree.children("/srv/api")).toEqual(["long.json", "long.json.gz", "short.json", "x.png"]);
    expect(tree.get("/srv/api/long.json.gz")?.mtime).toBe(tree.get("/srv/api/long.json")?.mtime);
  });

  it("writes a configuration that does not depend on what is in the files", async () => {
    const one = await simulate(folder({ "a.json": "1", "a.POST.201.json": "2" }));
    const two = await simulate(folder({ "a.json": "x", "a.POST.201.json": "y" }));
    expect(two.nginxConf).toBe(one.nginxConf);
    const surfaces = await Promise.all([one, two].map(({ tree }) => surfaceOf(tree, standardEvidence())));
    expect(digestOfJson(surfaces[0])).toBe(digestOfJson(surfaces[1]));
    const three = await simulate(folder({ "a.json": "1" }));
    expect(digestOfJson(await surfaceOf(three.tree, standardEvidence()))).not.toBe(digestOfJson(surfaces[0]));
  });

  it("takes links inside the folder for what they lead to, and refuses those that leave it", async () => {
    const link = (target: string): Entry => ({ type: "symlink", ...attributes(0o777), target });
    const { tree } = await simulate(
      treeOf([
        ["/a.json", file("1")],
        ["/b.json", link("a.json")],
      ]),
    );
    expect(tree.get("/srv/api/b.json")?.type).toBe("file");
    const away = simulate(treeOf([["/a.json", link("/etc/passwd")]]));
    await expect(away).rejects.toThrow(/a link that leads nowhere inside the folder/);
  });

  it("refuses an empty folder", async () => {
    const error = await simulate(Tree.empty).catch((thrown: unknown) => thrown);
    expect((error as WhittleError).code).toBe("SIMULATE_INVALID");
  });

  it("says how its container runs, on another port if wanted", async () => {
    const { config, roots } = await simulate(folder({ "a.json": "1" }), { port: 9000, uid: 7 });
    expect(config.User).toBe("7:7");
    expect(config.ExposedPorts).toEqual({ "9000/tcp": {} });
    expect(config.StopSignal).toBe("SIGQUIT");
    expect(config.Healthcheck?.Test?.at(-1)).toBe("http://127.0.0.1:9000/healthz");
    expect(roots.map(({ command }) => command[0])).toEqual(["/usr/sbin/nginx", "/bin/busybox"]);
  });

  it("puts dumb-init before nginx where the packages have it", async () => {
    const { config, roots } = await simulate(folder({ "a.json": "1" }), { init: "/usr/bin/dumb-init" });
    expect(config.Entrypoint?.join(" ")).toBe(
      "/usr/bin/dumb-init --single-child --rewrite 15:3 -- /usr/sbin/nginx -e stderr",
    );
    expect(roots.map(({ command }) => command[0])).toEqual([
      "/usr/bin/dumb-init",
      "/usr/sbin/nginx",
      "/bin/busybox",
    ]);
  });

  it("leaves a carve nothing to miss", async () => {
    const { tree, roots } = await simulate(folder({ "a.json": "1", "a.POST.201.json": "2" }));
    const packages = treeOf([
      ["/usr/sbin/nginx", file("nginx", 0o755)],
      ["/usr/bin/busybox", file("busybox", 0o755)],
      ["/bin", { type: "symlink", ...attributes(0o777), target: "usr/bin" }],
      ["/etc/nginx/nginx.conf", file("the package's own")],
      ["/etc/nginx/koi-utf", file("")],
    ]);
    const evidence = standardEvidence();
    const carved = await carve(packages, roots, evidence, { surface: await surfaceOf(tree, evidence) });
    expect(carved.missing).toEqual([]);
    expect([...carved.tree.entries()].map(([path]) => path)).toEqual([
      "/bin",
      "/etc",
      "/etc/nginx",
      "/usr",
      "/usr/bin",
      "/usr/bin/busybox",
      "/usr/sbin",
      "/usr/sbin/nginx",
    ]);
    expect(carved.reasons.direct("/run/nginx/temp").map(({ how }) => how.kind)).toContain("configuration");
    expect(carved.reasons.direct("/srv/api/a.json").map(({ how }) => how.kind)).toContain("configuration");
  });
});
