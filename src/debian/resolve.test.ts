import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WhittleError } from "../io/index.ts";
import { indexOf, type Stanza } from "./packages-fixture.ts";
import { type ResolveRequest, resolve } from "./resolve.ts";

type Wanted = Partial<ResolveRequest> & { readonly packages: readonly string[] };

async function solve(stanzas: readonly Stanza[], wanted: Wanted | readonly string[]): Promise<string[]> {
  const request = "packages" in wanted ? wanted : { packages: wanted };
  using index = await indexOf(stanzas);
  const { packages } = resolve([index], { architecture: "amd64", ...request });
  return packages.map(({ name }) => name);
}

async function refusal(
  stanzas: readonly Stanza[],
  wanted: Wanted | readonly string[],
): Promise<WhittleError> {
  const found = await solve(stanzas, wanted).catch((error: unknown) => error);
  if (!(found instanceof WhittleError)) throw new Error(`not refused: ${found}`);
  return found;
}

describe("resolve", () => {
  it("takes the first alternative that can be installed, dependencies first", async () => {
    const stanzas = [
      { Package: "app", Depends: "gone | broken | good | other", "Pre-Depends": "base" },
      { Package: "broken", Depends: "gone" },
      { Package: "good", Depends: "base" },
      { Package: "other" },
      { Package: "base" },
    ];
    expect(await solve(stanzas, ["app"])).toEqual(["base", "good", "app"]);
  });

  it("keeps to an alternative that is there anyway", async () => {
    const stanzas = [
      { Package: "app", Depends: "first | second" },
      { Package: "first" },
      { Package: "second" },
    ];
    expect(await solve(stanzas, ["second", "app"])).toEqual(["second", "app"]);
  });

  it("goes back where an alternative fails deep down, and leaves nothing of it", async () => {
    const stanzas = [
      { Package: "app", Depends: "deep | good" },
      { Package: "deep", Depends: "helper, middle" },
      { Package: "helper" },
      { Package: "middle", Depends: "bottom" },
      { Package: "bottom", Depends: "gone" },
      { Package: "good" },
    ];
    expect(await solve(stanzas, ["app"])).toEqual(["good", "app"]);
  });

  it("prefers the real package, then the priority, then what was mentioned last", async () => {
    const app = { Package: "app", Depends: "mta" };
    const provider = (Package: string, Priority = "optional") => ({ Package, Provides: "mta", Priority });
    expect(await solve([app, provider("a"), { Package: "mta" }], ["app"])).toEqual(["mta", "app"]);
    expect(await solve([app, provider("a", "important"), provider("b")], ["app"])).toEqual(["a", "app"]);
    expect(await solve([app, provider("a"), provider("b")], ["app"])).toEqual(["b", "app"]);
    const mentioned = { Package: "zero", Suggests: "b" };
    expect(await solve([mentioned, app, provider("a"), provider("b")], ["app"])).toEqual(["a", "app"]);
  });

  it("lets only a versioned Provides satisfy a version", async () => {
    const app = { Package: "app", Depends: "api (>= 2)" };
    const provides = (Provides: string) => solve([app, { Package: "p", Provides }], ["app"]);
    expect(await provides("api (= 2.1)")).toEqual(["p", "app"]);
    await expect(provides("api")).rejects.toHaveProperty("code", "PACKAGE_UNSATISFIABLE");
    await expect(provides("api (= 1)")).rejects.toHaveProperty("code", "PACKAGE_UNSATISFIABLE");
  });

  it("gives name:any only to Multi-Arch: allowed, name:native to all", async () => {
    const python = (multiArch: string) => ({ Package: "python3", "Multi-Arch": multiArch });
    const any = { Package: "app", Depends: "python3:any" };
    expect(await solve([any, python("allowed")], ["app"])).toEqual(["python3", "app"]);
    await expect(solve([any, python("foreign")], ["app"])).rejects.toHaveProperty(
      "code",
      "PACKAGE_UNSATISFIABLE",
    );
    const native = { Package: "app", Depends: "python3:native, python3:amd64" };
    expect(await solve([native, python("no")], ["app"])).toEqual(["python3", "app"]);
  });

  it("follows Recommends only when told, and does without those that cannot be had", async () => {
    const stanzas = [
      { Package: "app", Recommends: "nice, gone, broken" },
      { Package: "nice" },
      { Package: "broken", Depends: "gone" },
    ];
    expect(await solve(stanzas, ["app"])).toEqual(["app"]);
    expect(await solve(stanzas, { packages: ["app"], recommends: true })).toEqual(["app", "nice"]);
  });

  it("leaves essential packages out unless asked, and excluded ones always", async () => {
    const stanzas = [
      { Package: "base", Essential: "yes" },
      { Package: "app", Depends: "one | two" },
      { Package: "one" },
      { Package: "two" },
    ];
    expect(await solve(stanzas, ["app"])).toEqual(["one", "app"]);
    expect(await solve(stanzas, { packages: ["app"], essential: true })).toEqual(["one", "app", "base"]);
    expect(await solve(stanzas, { packages: ["app"], exclude: ["one"] })).toEqual(["two", "app"]);
  });

  it("takes a virtual name for its only provider", async () => {
    expect(await solve([{ Package: "real", Provides: "virtual" }], ["virtual"])).toEqual(["real"]);
  });

  it("drops a recommended package that the rest excludes", async () => {
    const stanzas = [
      { Package: "app", Depends: "strict", Recommends: "loose" },
      { Package: "loose" },
      { Package: "strict", Conflicts: "loose" },
    ];
    expect(await solve(stanzas, { packages: ["app"], recommends: true })).toEqual(["strict", "app"]);
  });

  it("does not take a package's conflict with its own virtual name for one with itself", async () => {
    const stanzas = [
      { Package: "postfix", Provides: "mta", Conflicts: "mta", Depends: "lib" },
      { Package: "lib" },
    ];
    expect(await solve(stanzas, ["postfix"])).toEqual(["lib", "postfix"]);
  });

  it("orders cycles by name, Pre-Depends first, whatever order the index has", async () => {
    const stanzas = [
      { Package: "c", Depends: "a" },
      { Package: "a", Depends: "b" },
      { Package: "b", Depends: "c", "Pre-Depends": "c" },
      { Package: "top", Depends: "b" },
    ];
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(stanzas, { minLength: 4 }), async (shuffled) => {
        expect(await solve(shuffled, ["top"])).toEqual(["a", "c", "b", "top"]);
      }),
      { numRuns: 10 },
    );
  });
});

describe("resolve over several suites", () => {
  const main: Stanza[] = [
    { Package: "app", Version: "1", Depends: "lib" },
    { Package: "lib", Version: "1" },
  ];
  const security: Stanza[] = [{ Package: "lib", Version: "1+deb13u1" }];
  const backports: Stanza[] = [{ Package: "lib", Version: "2" }];

  async function versions(packages: string[]): Promise<string[]> {
    using first = await indexOf(main, "trixie");
    using second = await indexOf(security, "trixie-security");
    using third = await indexOf(backports, "trixie-backports", 100);
    const answer = resolve([first, second, third], { architecture: "amd64", packages });
    return answer.packages.map(({ name, version, suite }) => `${name} ${version} ${suite}`);
  }

  it("takes the highest version of the highest pin", async () => {
    expect(await versions(["app"])).toEqual(["lib 1+deb13u1 trixie-security", "app 1 trixie"]);
  });

  it("lets a request choose a version or a suite", async () => {
    expect(await versions(["lib=1"])).toEqual(["lib 1 trixie"]);
    expect(await versions(["lib/trixie-backports"])).toEqual(["lib 2 trixie-backports"]);
    await expect(versions(["lib=3"])).rejects.toThrow(
      "Cannot install lib=3 for amd64: found 2 (trixie-backports), 1+deb13u1 (trixie-security), 1 (trixie), version 3 is wanted",
    );
  });
});

describe("a refusal", () => {
  it("names near misses and where else the package is", async () => {
    const unknown = await refusal([{ Package: "nginx-light" }], ["nginx-ligth"]);
    expect([unknown.code, unknown.message, unknown.hint]).toEqual([
      "PACKAGE_UNKNOWN",
      "Cannot install nginx-ligth for amd64: no package of that name is in trixie",
      "did you mean nginx-light?",
    ]);
    using arm64 = await indexOf([{ Package: "only-arm", Architecture: "arm64" }]);
    const elsewhere = { arm64: [arm64], armhf: [] };
    expect((await refusal([], { packages: ["only-arm"], elsewhere })).message).toBe(
      "Cannot install only-arm for amd64: no package of that name is in trixie, only for arm64",
    );
  });

  it("lists the providers of a virtual package", async () => {
    const stanzas = ["exim", "postfix"].map((Package) => ({ Package, Provides: "mta" }));
    const { code, hint } = await refusal(stanzas, ["mta"]);
    expect([code, hint]).toEqual(["PACKAGE_UNKNOWN", "choose one of exim, postfix"]);
  });

  it("shows the chain from the request to what is lacking, and what is there instead", async () => {
    const stanzas = [
      { Package: "app", Depends: "middle" },
      { Package: "middle", Depends: "lib (>= 2) | gone" },
      { Package: "lib", Version: "1" },
    ];
    const { code, message } = await refusal(stanzas, ["app"]);
    expect(code).toBe("PACKAGE_UNSATISFIABLE");
    expect(message).toBe(
      "Cannot install app for amd64: app 1 → middle 1 wants lib (>= 2) | gone: lib is there in version 1, there is no package gone",
    );
  });

  it("names both sides of a conflict and who wants them", async () => {
    const stanzas = [
      { Package: "app", Depends: "one" },
      { Package: "tool", Depends: "two" },
      { Package: "one", Conflicts: "two" },
      { Package: "two" },
    ];
    const { code, message } = await refusal(stanzas, ["app", "tool"]);
    expect(code).toBe("PACKAGE_CONFLICT");
    expect(message).toContain(
      "one 1 (wanted by app 1) conflicts with two, which is two 1 (wanted by tool 1)",
    );
    const direct = await refusal(stanzas, ["one", "two"]);
    expect(direct.message).toContain("one 1 (asked for) conflicts with two, which is two 1 (asked for)");
  });

  it("says Breaks for Breaks", async () => {
    const stanzas = [
      { Package: "new", Breaks: "old (<< 2)" },
      { Package: "old", Version: "1" },
    ];
    const { code, message } = await refusal(stanzas, ["new", "old"]);
    expect(code).toBe("PACKAGE_CONFLICT");
    expect(message).toContain("new 1 (asked for) breaks old (<< 2), which is old 1 (asked for)");
  });

  it("does not take anything but a package's name", async () => {
    for (const text of ["", "Nginx", "a b", "../x", "a=", "lib:arm64"]) {
      expect((await refusal([], [text])).code, text).toBe("PACKAGE_UNKNOWN");
    }
  });
});
