import { describe, expect, it } from "vitest";
import {
  allPlatforms,
  choosePlatform,
  debianArchitecture,
  formatPlatform,
  hostPlatform,
  normalizePlatform,
  parsePlatform,
  statedPlatform,
} from "./platform.ts";

describe("normalizePlatform", () => {
  // containerd, platforms/database.go and its tests.
  it.each([
    ["linux/aarch64", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm64/8", "linux/arm64"],
    ["linux/armhf", "linux/arm/v7"],
    ["linux/armel", "linux/arm/v6"],
    ["linux/arm", "linux/arm/v7"],
    ["linux/arm/7", "linux/arm/v7"],
    ["linux/arm/6", "linux/arm/v6"],
    ["linux/arm/v5", "linux/arm/v5"],
    ["linux/i386", "linux/386"],
    ["linux/x86_64", "linux/amd64"],
    ["linux/amd64/v1", "linux/amd64"],
    ["linux/amd64/v3", "linux/amd64/v3"],
    ["Linux/AMD64", "linux/amd64"],
    ["macos/arm64", "darwin/arm64"],
    ["riscv64", "linux/riscv64"],
  ])("%s is %s", (text, wanted) => {
    expect(formatPlatform(parsePlatform(text))).toBe(wanted);
  });

  it.each(["linux", "windows", "Darwin"])("%s alone is for this machine's architecture", (os) => {
    expect(parsePlatform(os)).toEqual({ ...hostPlatform(), os: os.toLowerCase() });
  });

  it("leaves what it does not know", () => {
    const windows = { os: "windows", architecture: "amd64", "os.version": "10.0.20348.1" };
    expect(normalizePlatform(windows)).toEqual(windows);
  });

  it.each(["", "a/b/c/d", "linux/", "linux//v7", "lin ux/amd64", "/amd64"])("refuses %j", (text) => {
    expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: "PLATFORM_UNSUPPORTED" }));
  });
});

describe("platforms in documents", () => {
  it("states the variant of arm64", () => {
    expect(statedPlatform(parsePlatform("arm64"))).toEqual({
      os: "linux",
      architecture: "arm64",
      variant: "v8",
    });
    expect(statedPlatform(parsePlatform("amd64"))).toEqual({ os: "linux", architecture: "amd64" });
    expect(statedPlatform(parsePlatform("arm/v5"))).toMatchObject({ os: "arm", architecture: "v5" });
  });

  it("chooses the newest variant of 32-bit ARM that runs", () => {
    const have = ["linux/arm/v5", "linux/arm/v6", "linux/arm64"].map((text) => ({
      platform: parsePlatform(text),
    }));
    const chosen = (text: string): string | undefined => {
      const found = choosePlatform(parsePlatform(text), have);
      return found && formatPlatform(found.platform);
    };
    expect(chosen("linux/arm/v7")).toBe("linux/arm/v6");
    expect(chosen("linux/arm/v5")).toBe("linux/arm/v5");
    expect(chosen("linux/arm64/v8")).toBe("linux/arm64");
    expect(chosen("linux/amd64")).toBeUndefined();
  });
});

describe("debianArchitecture", () => {
  it("knows eleven platforms", () => {
    expect(
      allPlatforms.map((platform) => `${formatPlatform(platform)} ${debianArchitecture(platform)}`),
    ).toEqual([
      "linux/amd64 amd64",
      "linux/arm64 arm64",
      "linux/arm/v7 armhf",
      "linux/arm/v6 armel",
      "linux/arm/v5 armel",
      "linux/386 i386",
      "linux/ppc64le ppc64el",
      "linux/s390x s390x",
      "linux/riscv64 riscv64",
      "linux/mips64le mips64el",
      "linux/loong64 loong64",
    ]);
  });

  it("lists the possible ones for an impossible one", () => {
    expect(() => debianArchitecture(parsePlatform("windows/amd64"))).toThrow(
      expect.objectContaining({
        code: "PLATFORM_UNSUPPORTED",
        hint: expect.stringContaining("linux/riscv64"),
      }),
    );
  });

  it("knows the machine it runs on", () => {
    expect(hostPlatform().os).toBe("linux");
    expect(debianArchitecture(hostPlatform())).toBeTruthy();
  });
});
