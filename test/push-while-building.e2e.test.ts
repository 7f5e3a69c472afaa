import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { DockerfilePlace } from "./dockerfile-place.ts";
import { type FaultProxy, faultProxy } from "./registry-proxy.ts";
import { type RegistryProcess, whittleServe } from "./registry-servers.ts";

let place: DockerfilePlace;
let registry: RegistryProcess;
let proxy: FaultProxy;

beforeAll(async () => {
  place = await DockerfilePlace.make();
  registry = await whittleServe(join(place.directory, "served"));
  proxy = await faultProxy(registry.port);
});

afterAll(async () => {
  await proxy.stop();
  await registry.stop();
  place.remove();
});

/** Answers at `/uploaded` whether the bytes of a blob have come by. */
function watchUploads(): void {
  let uploaded = false;
  proxy.passed.length = 0;
  proxy.fault = ({ method, path }) => {
    if (path === "/uploaded") return { kind: "answer", status: uploaded ? 200 : 503 };
    if (method === "PUT" && path.includes("/blobs/uploads/")) uploaded = true;
    return undefined;
  };
}

const wait =
  "for i in $(seq 300); do wget -q -O /dev/null http://$H/uploaded && exit 0; sleep 0.1; done; exit 1";
const allowed = ["--allow", "network.host"];

it("sends a layer to the registry while a later step still runs, and asks for no blob twice", async () => {
  watchUploads();
  const context = place.files("early", {
    Dockerfile: `FROM busybox\nCOPY data /\nARG H\nRUN --network=host ${wait}\nRUN echo done > /done\n`,
    data: "x".repeat(1000),
  });
  const name = `${proxy.host}/team/early`;
  const words = [context, ...allowed, "--build-arg", `H=${proxy.host}`, "-t", `${name}:1`, "-t", `${name}:2`];
  const { stdout } = await place.build([...words, "--push"]);
  for (const tag of ["1", "2"]) {
    const inspected = await place.whittle(["copy", `docker://${name}:${tag}`, `oci:pulled-${tag}`]);
    expect(inspected.stdout).toBe(stdout);
  }
  const asked = proxy.passed.filter(({ path }) => path !== "/uploaded");
  const looks = asked.filter(({ method }) => method === "HEAD").map(({ path }) => path);
  expect(looks.length).toBe(new Set(looks).size);
  const pulls = asked.findIndex(({ method }) => method === "GET");
  const before = pulls < 0 ? asked : asked.slice(0, pulls);
  // The registry had none of the blobs: each was asked for once, and sent once.
  const begun = before.filter(({ method }) => method === "POST");
  expect(begun.length).toBe(looks.filter((path) => path.includes("/blobs/")).length);
});

it.each([
  ["a COPY", "FROM busybox\nCOPY data /\n"],
  ["the last RUN", "FROM busybox\nRUN --mount=type=bind,target=/mnt cp /mnt/data /\n"],
])("sends the layer of %s while it is being compressed", async (what, dockerfile) => {
  watchUploads();
  // Half a minute of a slow machine's compression at least, and a second of a fast one's.
  const data = randomBytes(48 * 1024 * 1024).toString("hex");
  const context = place.files("growing", { Dockerfile: dockerfile, data });
  const name = `${proxy.host}/team/growing:${what.replace(/\W+/g, "-")}`;
  const files: string[][] = [];
  const { fault } = proxy;
  proxy.fault = (passed) => {
    if (passed.method === "PATCH") files.push(readdirSync(join(place.directory, "store/tmp")));
    return fault(passed);
  };
  const { stdout } = await place.build([context, "--no-cache", "-t", name, "--push"]);
  // The blob had no name of its own yet.
  expect(files[0]).toEqual(expect.arrayContaining([expect.stringMatching(/^blob-/)]));
  const sent = proxy.passed.filter(({ method }) => method === "PATCH");
  expect(sent.map(({ length }) => length)).toEqual([undefined]);
  expect(proxy.passed.filter(({ method }) => method === "DELETE")).toEqual([]);
  const copied = await place.whittle(["copy", `docker://${name}`, "oci:growing-pulled"]);
  expect(copied.stdout).toBe(stdout);
});

it("stops what is on its way when the build fails", async () => {
  watchUploads();
  const input = `FROM busybox\nRUN echo 1 > /1\nARG H\nRUN --network=host ${wait.replace("exit 0", "exit 7")}\n`;
  const words = [
    "-",
    ...allowed,
    "--build-arg",
    `H=${proxy.host}`,
    "-t",
    `${proxy.host}/team/fails`,
    "--push",
  ];
  const { status, stderr } = await place.tryBuild(words, { input });
  expect([status, stderr]).toEqual([4, expect.stringContaining("exit status 7")]);
  expect(proxy.passed.filter(({ path }) => path.includes("/manifests/"))).toEqual([]);
});

it("finds before anything is built that there is no name to push to", async () => {
  const { status, stderr } = await place.tryBuild(["-", "--push"], { input: "FROM busybox\nRUN false\n" });
  expect([status, stderr]).toEqual([2, expect.stringContaining("-t REGISTRY/REPOSITORY:TAG")]);
});
