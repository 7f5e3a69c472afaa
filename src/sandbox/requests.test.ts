import { describe, expect, it } from "vitest";
import { findAccount } from "./accounts.ts";
import { checkName, nameFromId } from "./names.ts";
import { formatPublished, parsePublish } from "./ports.ts";
import { containerCommand, containerEnvironment, mergeEnvironment } from "./process.ts";
import { nextWait, parseRestart, startsAgain } from "./restart.ts";
import { parseSignal } from "./signal.ts";
import { parseMount, parseTmpfs, parseVolume } from "./volumes.ts";

describe("parsePublish", () => {
  it.each([
    ["80", [["", 0, 80]]],
    ["8080:80", [["", 8080, 80]]],
    ["8080:80/tcp", [["", 8080, 80]]],
    ["127.0.0.1:8080:80", [["127.0.0.1", 8080, 80]]],
    ["127.0.0.1::80", [["127.0.0.1", 0, 80]]],
    ["localhost:8080:80", [["127.0.0.1", 8080, 80]]],
    ["[::1]:8080:80", [["::1", 8080, 80]]],
    ["0:80", [["", 0, 80]]],
    ["53:5353/udp", [["", 53, 5353]]],
    [
      "9000-9001:80-81",
      [
        ["", 9000, 80],
        ["", 9001, 81],
      ],
    ],
  ])("reads %s", (text, wanted) => {
    expect(parsePublish(text).map((port) => [port.hostAddress, port.hostPort, port.containerPort])).toEqual(
      wanted,
    );
  });

  it.each([
    [""],
    ["x"],
    ["80:"],
    ["8080:0"],
    ["70000:80"],
    ["80:70000"],
    ["1-3:1-2"],
    ["9-8:9-8"],
    ["1-65535"],
    ["53:53/sctp"],
    ["a.b:1:2"],
    ["1:2:3:4"],
  ])("refuses %j", (text) => expect(() => parsePublish(text)).toThrow(/^Cannot publish/));

  it("writes them as docker ps does", () => {
    expect(parsePublish("[::1]:8080:80").map(formatPublished)).toEqual(["[::1]:8080->80/tcp"]);
    expect(parsePublish("8080:80").map(formatPublished)).toEqual(["0.0.0.0:8080->80/tcp"]);
    expect(parsePublish("53:53/udp").map(formatPublished)).toEqual(["0.0.0.0:53->53/udp"]);
  });
});

describe("parseVolume and parseTmpfs", () => {
  it("reads sources from a directory, and read-only ones", () => {
    const bind = { kind: "bind", readOnly: false, create: true };
    expect(parseVolume("./a:/b", "/home/x")).toEqual({ ...bind, source: "/home/x/a", destination: "/b" });
    expect(parseVolume("/a:/b/./c:ro", "/")).toEqual({
      ...bind,
      source: "/a",
      destination: "/b/c",
      readOnly: true,
    });
    expect(parseTmpfs("/tmp:size=1m,mode=1777")).toEqual({
      destination: "/tmp",
      options: ["size=1m", "mode=1777"],
    });
  });

  it("reads volumes by name and without one", () => {
    const volume = { kind: "volume", readOnly: false };
    expect(parseVolume("data:/b", "/")).toEqual({ ...volume, name: "data", destination: "/b" });
    expect(parseVolume("data:/b:ro,nocopy", "/")).toEqual({
      ...volume,
      name: "data",
      destination: "/b",
      readOnly: true,
      noCopy: true,
    });
    expect(parseVolume("/b", "/")).toEqual({ ...volume, destination: "/b" });
  });

  it.each([
    [
      "type=bind,source=a,target=/b,readonly",
      { kind: "bind", source: "/home/x/a", destination: "/b", readOnly: true },
    ],
    ["type=bind,src=/a,dst=/b", { kind: "bind", source: "/a", destination: "/b", readOnly: false }],
    ["source=data,target=/b", { kind: "volume", name: "data", destination: "/b", readOnly: false }],
    ["type=volume,target=/b", { kind: "volume", destination: "/b", readOnly: false }],
    [
      "type=tmpfs,target=/b,tmpfs-size=1m,tmpfs-mode=0700",
      { kind: "tmpfs", destination: "/b", options: ["size=1m", "mode=0700"] },
    ],
  ])("reads the mount %s", (text, wanted) => expect(parseMount(text, "/home/x")).toEqual(wanted));

  it.each([
    ["type=bind,target=/b"],
    ["type=nfs,source=a,target=/b"],
    ["type=bind,source=/a"],
    ["type=bind,source=/a,target=b"],
    ["type=tmpfs,target=/b,source=/a"],
    ["type=volume,source=../a,target=/b"],
    ["type=bind,source=/a,target=/b,readonly=perhaps"],
    [""],
  ])("refuses the mount %j", (text) => expect(() => parseMount(text, "/")).toThrow(/^Cannot mount/));

  it.each([
    [".."],
    ["/a:b"],
    ["a b:/x"],
    ["/a:/"],
    ["/a:/b/../../c"],
    ["/a:/b:wrong"],
    [":/b"],
    ["/a:/b:ro:x"],
  ])("refuses the volume %j", (text) =>
    expect(() => parseVolume(text, "/")).toThrow(/^Cannot (mount|use the path)/),
  );

  it.each([["tmp"], ["/tmp:size=1m;rm"], ["/tmp:bind"], ["/"]])("refuses the tmpfs %j", (text) =>
    expect(() => parseTmpfs(text)).toThrow(/^Cannot mount/),
  );
});

describe("the command and environment of a container", () => {
  const config = { Entrypoint: ["/serve"], Cmd: ["--all"], Env: ["PATH=/opt", "A=1"] };

  it.each([
    [{}, ["/serve", "--all"]],
    [{ command: ["--one"] }, ["/serve", "--one"]],
    [{ entrypoint: ["/other"] }, ["/other"]],
    [{ entrypoint: ["/other"], command: ["x"] }, ["/other", "x"]],
    [{ entrypoint: [], command: ["x"] }, ["x"]],
  ])("with %j it is %j", (options, wanted) => {
    expect(containerCommand("i", config, options)).toEqual(wanted);
  });

  it("refuses to run nothing", () => {
    expect(() => containerCommand("i", {}, {})).toThrow(/no command/);
    expect(() => containerCommand("i", config, { entrypoint: [] })).toThrow(/no command/);
  });

  it("sets what nobody has set, and lets the person win", () => {
    const account = findAccount("0", "root:x:0:0::/root:/bin/sh", "");
    expect(
      containerEnvironment(config, { environment: ["A=2", "HOME=/h"], terminal: true }, account, "box"),
    ).toEqual(["PATH=/opt", "HOSTNAME=box", "TERM=xterm", "HOME=/h", "A=2"]);
    expect(mergeEnvironment(["A=1=2", "B"], ["A="])).toEqual(["A="]);
  });
});

describe("names and signals", () => {
  it("makes the same name of the same id", () => {
    const id = "0123456789abcdef".repeat(4);
    expect(nameFromId(id)).toBe(nameFromId(id));
    expect(checkName(nameFromId(id))).toMatch(/^[a-z]+_[a-z]+$/);
    expect(() => checkName("../x")).toThrow(/^Cannot use the name/);
  });

  it("reads signals in any spelling", () => {
    expect(["SIGTERM", "term", "15"].map(parseSignal)).toEqual(["SIGTERM", "SIGTERM", "SIGTERM"]);
    expect(() => parseSignal("SIGNOPE")).toThrow(/^Cannot use the signal/);
  });
});

describe("restart policies", () => {
  it("reads Docker's", () => {
    expect(["no", "always", "unless-stopped", "on-failure", "on-failure:3"].map(parseRestart)).toEqual([
      { name: "no", most: 0 },
      { name: "always", most: 0 },
      { name: "unless-stopped", most: 0 },
      { name: "on-failure", most: 0 },
      { name: "on-failure", most: 3 },
    ]);
    for (const text of ["", "never", "always:3", "on-failure:", "on-failure:x"]) {
      expect(() => parseRestart(text)).toThrow(/^Cannot restart by/);
    }
  });

  it("start again when they are to", () => {
    expect(startsAgain(parseRestart("no"), 1, 0)).toBe(false);
    expect(startsAgain(parseRestart("always"), 0, 99)).toBe(true);
    expect(startsAgain(parseRestart("on-failure"), 0, 0)).toBe(false);
    expect([0, 1, 2, 3].map((restarts) => startsAgain(parseRestart("on-failure:2"), 1, restarts))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it("wait twice as long each time, up to a minute, and begin anew after a good run", () => {
    let wait: number | undefined;
    const waits = Array.from({ length: 12 }, () => {
      wait = nextWait(wait, 50);
      return wait;
    });
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
    expect(nextWait(60_000, 10_000)).toBe(100);
  });
});
