import { describe, expect, it } from "vitest";
import {
  capabilitiesOfMask,
  capabilityNumbers,
  chooseCapabilities,
  defaultCapabilities,
} from "./capabilities.ts";
import { seccompProfile } from "./seccomp.ts";

describe("chooseCapabilities", () => {
  it("gives Docker's fourteen by default, the mask a80425fb", () => {
    const chosen = chooseCapabilities([], []);
    expect([...chosen].sort()).toEqual([...defaultCapabilities].sort());
    expect(chosen).toEqual(capabilitiesOfMask("00000000a80425fb"));
  });

  it.each([
    [["NET_ADMIN"], ["ALL"], ["CAP_NET_ADMIN"]],
    [["cap_sys_time"], ["all"], ["CAP_SYS_TIME"]],
    [[], ["ALL"], []],
    [["KILL"], ["KILL", "ALL"], ["CAP_KILL"]],
  ])("adds %j and drops %j", (add, drop, wanted) => {
    expect(chooseCapabilities(add, drop)).toEqual(wanted);
  });

  it("gives all but what is dropped, and nothing that is not held", () => {
    const all = chooseCapabilities(["ALL"], ["SYS_ADMIN"]);
    expect(all).toHaveLength(40);
    expect(all).not.toContain("CAP_SYS_ADMIN");
    expect(chooseCapabilities(["ALL"], [], ["CAP_KILL"])).toEqual(["CAP_KILL"]);
  });

  it("refuses what is no capability", () => {
    expect(() => chooseCapabilities(["SYS_ADMIM"], [])).toThrow(/Linux has none of that name/);
  });

  it("numbers them as the kernel does", () => {
    expect(capabilityNumbers(["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"])).toEqual([0, 21, 40]);
  });
});

describe("seccompProfile", () => {
  const allowed = (capabilities: readonly string[], architecture = "amd64"): string[] =>
    seccompProfile(architecture, capabilities)!
      .syscalls.filter((rule) => rule.action === "SCMP_ACT_ALLOW" && rule.args === undefined)
      .flatMap((rule) => rule.names);

  it("refuses what is not on the list, with EPERM", () => {
    expect(seccompProfile("amd64", [])).toMatchObject({
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 1,
    });
  });

  it.each([
    ["mount"],
    ["kexec_load"],
    ["init_module"],
    ["bpf"],
    ["keyctl"],
    ["unshare"],
    ["setns"],
    ["reboot"],
    ["userfaultfd"],
  ])("does not allow %s by default", (name) => expect(allowed(defaultCapabilities)).not.toContain(name));

  it("opens system calls with capabilities", () => {
    expect(allowed(["CAP_SYS_ADMIN"])).toEqual(expect.arrayContaining(["mount", "unshare", "clone3"]));
    expect(allowed(["CAP_SYS_TIME"])).toContain("clock_settime");
  });

  it("lets clone make processes but no namespaces, and clone3 be absent", () => {
    const rules = seccompProfile("amd64", defaultCapabilities)!.syscalls;
    expect(rules.find(({ names }) => names.includes("clone"))?.args).toEqual([
      { index: 0, value: 2114060288, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" },
    ]);
    expect(rules.find(({ names }) => names.includes("clone3"))).toMatchObject({ errnoRet: 38 });
    const s390x = seccompProfile("s390x", [])!.syscalls.find(({ names }) => names.includes("clone"));
    expect(s390x?.args?.[0]?.index).toBe(1);
  });

  it("knows what belongs to an architecture", () => {
    expect(seccompProfile("amd64", [])?.architectures).toEqual([
      "SCMP_ARCH_X86_64",
      "SCMP_ARCH_X86",
      "SCMP_ARCH_X32",
    ]);
    expect(allowed([], "arm64")).toContain("cacheflush");
    expect(seccompProfile("pdp11", [])).toBeUndefined();
  });
});
