import { existsSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareVersions, parseVersion, validVersion } from "./version.ts";

const tables = new URL("../../../shared/corpora/tables/", import.meta.url);
const hasTables = existsSync(tables);
if (!hasTables) console.info("notice: ../shared/corpora is absent, its tables of versions are not checked");

function table<Row>(name: string): Row[] {
  return JSON.parse(readFileSync(new URL(name, tables), "utf8")) as Row[];
}

const versionText = fc
  .tuple(
    fc.option(fc.nat(9)),
    fc.stringMatching(/^[0-9][a-c0-3.+~-]{0,6}$/),
    fc.option(fc.stringMatching(/^[a-c0-3.+~]{1,4}$/)),
  )
  .map(
    ([epoch, upstream, revision]) =>
      `${epoch === null ? "" : `${epoch}:`}${upstream}${revision === null ? "" : `-${revision}`}`,
  );

describe("compareVersions", () => {
  it.runIf(hasTables)("agrees with dpkg on every recorded comparison", () => {
    const rows = table<{ a: string; b: string; cmp: number }>("deb-version-compare.json");
    expect(rows.length).toBeGreaterThan(50);
    const wrong = rows.filter(({ a, b, cmp }) => Math.sign(compareVersions(a, b)) !== cmp);
    expect(wrong).toEqual([]);
  });

  it("knows the policy's own examples", () => {
    const ordered = ["~~", "~~a", "~", "", "a"];
    for (let i = 0; i + 1 < ordered.length; i++) {
      expect(compareVersions(`1${ordered[i]}`, `1${ordered[i + 1]}`)).toBeLessThan(0);
    }
    expect(compareVersions("1.2", "1.2-0")).toBe(0);
    expect(compareVersions("99999999999999999999999", "99999999999999999999998")).toBeGreaterThan(0);
  });

  it("is a total order", () => {
    fc.assert(
      fc.property(versionText, versionText, versionText, (a, b, c) => {
        expect(Math.sign(compareVersions(a, b)) + Math.sign(compareVersions(b, a))).toBe(0);
        expect(compareVersions(a, a)).toBe(0);
        if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) {
          expect(compareVersions(a, c)).toBeLessThanOrEqual(0);
        }
      }),
    );
  });
});

describe("validVersion", () => {
  it.runIf(hasTables)("agrees with dpkg on every recorded version", () => {
    const rows = table<{ version: string; valid: boolean }>("deb-version-validity.json");
    const wrong = rows.filter(({ version, valid }) => validVersion(version) !== valid);
    expect(wrong).toEqual([]);
  });
});

describe("parseVersion", () => {
  it("splits at the first colon and the last hyphen", () => {
    expect(parseVersion("1:2.3-4-5~a")).toEqual({ epoch: 1, upstream: "2.3-4", revision: "5~a" });
    expect(parseVersion("2.3")).toEqual({ epoch: 0, upstream: "2.3", revision: "" });
    expect(parseVersion("2.3-")).toBeUndefined();
  });
});
