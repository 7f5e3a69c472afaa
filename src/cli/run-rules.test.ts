import { describe, expect, it } from "vitest";
import { runRules } from "./run-rules.ts";

const none = { allow: [], ulimit: [] };

describe("what RUN may do and gets", () => {
  it("is nothing unusual by default", () => {
    expect(runRules(none, undefined)).toEqual({});
    expect(runRules(none, "none")).toEqual({});
  });

  it("is allowed by BuildKit's names, and the machine's network by asking for it", () => {
    expect(runRules({ ...none, allow: ["security.insecure"] }, undefined)).toEqual({
      allow: ["security.insecure"],
    });
    expect(runRules(none, "host")).toEqual({ allow: ["network.host"] });
    expect(() => runRules({ ...none, allow: ["everything"] }, undefined)).toThrow(
      /network\.host .* is wanted/,
    );
  });

  it.each([
    ["64m", 64 * 1024 * 1024],
    ["1G", 1024 ** 3],
    ["2kb", 2048],
    ["4096", 4096],
  ])("reads --shm-size %s", (text, shmSize) => {
    expect(runRules({ ...none, shmSize: text }, undefined)).toEqual({ shmSize });
  });

  it.each(["", "0", "-1", "64q", "1.5m", "m"])("refuses --shm-size %j", (text) => {
    expect(() => runRules({ ...none, shmSize: text }, undefined)).toThrow(/--shm-size/);
  });

  it.each([
    ["nofile=1024", "RLIMIT_NOFILE", 1024, 1024],
    ["nproc=10:20", "RLIMIT_NPROC", 10, 20],
    ["core=0", "RLIMIT_CORE", 0, 0],
    ["memlock=-1", "RLIMIT_MEMLOCK", Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ["stack=1:-1", "RLIMIT_STACK", 1, Number.MAX_SAFE_INTEGER],
  ])("reads --ulimit %s", (text, type, soft, hard) => {
    expect(runRules({ ...none, ulimit: [text] }, undefined)).toEqual({ limits: [{ type, soft, hard }] });
  });

  it.each(["nofile", "nofile=", "files=1", "nofile=2:1", "nofile=a", "as=1"])(
    "refuses --ulimit %s",
    (text) => {
      expect(() => runRules({ ...none, ulimit: [text] }, undefined)).toThrow(/--ulimit/);
    },
  );

  it.each(["0", "-1", "x", "12345678"])("refuses --pids-limit %s", (pidsLimit) => {
    expect(() => runRules({ ...none, pidsLimit }, undefined)).toThrow(/--pids-limit/);
  });
});
