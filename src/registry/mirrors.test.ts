import { describe, expect, it } from "vitest";
import { readPlaces } from "./mirrors.ts";
import type { SettingsEntry } from "./settings-file.ts";

const entries = (all: Readonly<Record<string, SettingsEntry["values"]>>): SettingsEntry[] =>
  Object.entries(all).map(([name, values]) => ({ path: "registries.yaml", name, values }));

function places(full: string, all: Readonly<Record<string, SettingsEntry["values"]>>): string[] {
  const [registry = "", ...words] = full.split("/");
  const { mirrors, home } = readPlaces({ registry, repository: words.join("/") }, entries(all));
  return [...mirrors, home].map((place) => `${place.registry}/${place.repository}`);
}

describe("where an image is read from", () => {
  it("is its own registry where nothing is said", () => {
    expect(places("r.example/team/api", {})).toEqual(["r.example/team/api"]);
    expect(places("r.example/team/api", { "r.example": { insecure: true } })).toEqual(["r.example/team/api"]);
  });

  // Examples of containers-registries.conf(5), "Remapping and mirroring".
  it("is each mirror in order, with what the entry names replaced", () => {
    const mirrors = ["m.example", "m.example/hub", "[::1]:5000/a/b"];
    expect(places("docker.io/library/debian", { "docker.io": { mirrors } })).toEqual([
      "m.example/library/debian",
      "m.example/hub/library/debian",
      "[::1]:5000/a/b/library/debian",
      "docker.io/library/debian",
    ]);
    expect(
      places("r.example/foo/image", { "r.example/foo": { location: "internal.example:5000/bar" } }),
    ).toEqual(["internal.example:5000/bar/image"]);
    expect(places("r.example/foo", { "r.example/foo": { location: "internal.example/bar" } })).toEqual([
      "internal.example/bar",
    ]);
  });

  it("is told by the longest name, by whole words", () => {
    const all = { "r.example": { mirrors: ["a.example"] }, "r.example/team": { mirrors: ["b.example/t"] } };
    expect(places("r.example/team/api", all)[0]).toBe("b.example/t/api");
    expect(places("r.example/teams/api", all)[0]).toBe("a.example/teams/api");
    expect(places("xr.example/team/api", all)[0]).toBe("xr.example/team/api");
  });

  it.each([
    [{ mirrors: "a" }, "not a list"],
    [{ mirrors: ["https://m.example"] }, "HOST[:PORT]"],
    [{ mirrors: [5] }, "mirrors of r.example has 5"],
    [{ mirrors: ["m.example/../etc"] }, "HOST[:PORT]"],
    [{ mirrors: ["user:pw@m.example"] }, "HOST[:PORT]"],
    [{ location: "" }, "location of r.example"],
  ])("is never a guess: %j", (values, found) => {
    expect(() => places("r.example/a", { "r.example": values })).toThrow(
      expect.objectContaining({ code: "USAGE", message: expect.stringContaining(found) }),
    );
  });
});
