import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { aptSim, compare, requests } from "../scripts/resolver-check.ts";
import { openIndex, type PackageIndex, resolve } from "../src/debian/index.ts";
import { AptUniverse } from "./apt-universe.ts";
import { Dice, randomPackages } from "./random-universe.ts";

if (aptSim === undefined) {
  console.info("notice: ../shared/tools/apt-sim is absent, real suites are not compared with apt");
}

function answer(index: PackageIndex, packages: readonly string[], recommends: boolean): string[] | undefined {
  try {
    const resolution = resolve([index], { architecture: "amd64", packages, recommends });
    return resolution.packages.map(({ name, version }) => `${name} ${version}`).sort();
  } catch (error) {
    expect(error).toHaveProperty("code", expect.stringMatching(/^PACKAGE_/));
    return undefined;
  }
}

describe("the resolver and apt", () => {
  it.runIf(aptSim !== undefined)("agree on a sample of trixie", async () => {
    const sample = await requests(true);
    expect(sample.length).toBeGreaterThanOrEqual(25);
    for (const architecture of ["amd64", "s390x"]) {
      const wanted = architecture === "amd64" ? sample : sample.filter((_, number) => number % 3 === 0);
      const { differences } = await compare(
        { suite: "trixie", architecture },
        false,
        wanted,
        () => undefined,
      );
      expect(differences).toEqual([]);
    }
  });

  it("agree on random packages, refusals included", async () => {
    const dice = new Dice(20260);
    let installed = 0;
    for (let round = 0; round < 8; round++) {
      const { text, names } = randomPackages(dice, 10 + dice.roll(30));
      await using apt = await AptUniverse.make(text);
      const sha256 = createHash("sha256").update(text).digest("hex");
      const file = { path: apt.packages, sha256, suite: "random", mirror: "apt" };
      using index = await openIndex(file, apt.directory);
      for (let question = 0; question < 10; question++) {
        const wanted = [...new Set(Array.from({ length: 1 + dice.roll(3) }, () => dice.pick(names)))];
        const recommends = question % 2 === 0;
        const expected = await apt.install(wanted, recommends);
        installed += expected === undefined ? 0 : 1;
        expect(answer(index, wanted, recommends), `${wanted.join(" ")}\n${text}`).toEqual(expected);
      }
    }
    expect(installed).toBeGreaterThan(10);
  });
});
