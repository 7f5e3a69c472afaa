import { describe, expect, it } from "vitest";
import { findAccount } from "./accounts.ts";
import { checkName, nameFromId } from "./names.ts";
import { formatPublished, parsePublish } from "./ports.ts";
import { containerCommand, containerEnvironment, mergeEnvironment } from "./process.ts";
import { parseSignal } from "./signal.ts";
import { parseTmpfs, parseVolume } from "./volumes.ts";

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
    ["53:53/udp"],
    ["a.b:1:2"],
    ["1:2:3:4"],
  ])("refuses %j", (text) => expect(() => parsePublish(text)).toThrow(/^Cannot publish/));

  it("writes them as docker ps does", () => {
    expect(parsePublish("[::1]:8080:80").map(formatPublished)).toEqual(["[::1]:8080->80/tcp"]);
    expect(parsePublish("8080:80").map(formatPublished)).toEqual(["0.0.0.0:8080->80/tcp"]);
  });
});

describe("parseVolume and parseTmpfs", () => {
  it("reads sources from a directory, and read-only ones", () => {
    expect(parseVolume("./a:/b", "/home/x")).toEqual({
      source: "/home/x/a",
      destination: "/b",
      readOnly: false,
    });
    expect(parseVolume("/a:/b/./c:ro", "/")).toEqual({ source: "/a", destination: "/b/c", readOnly: true });
    expect(parseTmpfs("/tmp:size=1m,mode=1777")).toEqual({
      destination: "/tmp",
      options: ["size=1m", "mode=1777"],
    });
  });

  it.each([["/a"], ["/a:b"], ["/a:/"], ["/a:/b/../../c"], ["/a:/b:wrong"], [":/b"], ["/a:/b:ro:x"]])(
    "refuses the volume %j",
    (text) => expect(() => parseVolume(text, "/")).toThrow(/^Cannot (mount|use the path)/),
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
