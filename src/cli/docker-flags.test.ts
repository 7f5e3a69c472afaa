import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { addDockerFlags, type DockerFlags, heedDockerFlags } from "./docker-flags.ts";

function warnings(...words: string[]): string[] {
  const command = new Command("build").exitOverride();
  addDockerFlags(command);
  command.parse(words, { from: "user" });
  const told: string[] = [];
  heedDockerFlags(command.opts<DockerFlags>(), (event) => {
    if (event.kind === "warning") told.push(event.text);
  });
  return told;
}

describe("flags of docker build that say nothing new", () => {
  it.each([
    ["--provenance=false", "--sbom=false"],
    ["--attest", "type=provenance,disabled=true", "--attest=type=sbom,disabled=1"],
    ["--builder", "ci", "--rm", "--force-rm", "--compress", "-D"],
  ])("takes %s quietly", (...words) => {
    expect(warnings(...words)).toEqual([]);
  });

  it("warns of those that would change something", () => {
    expect(warnings("--squash", "-m", "1g", "--security-opt", "seccomp=unconfined")).toEqual([
      expect.stringMatching(/^--squash has no effect: /),
      expect.stringMatching(/^--security-opt has no effect: /),
      expect.stringMatching(/^--memory has no effect: /),
    ]);
  });

  it.each([["--provenance=true"], ["--provenance", "mode=max"], ["--sbom=1"], ["--attest", "type=sbom"]])(
    "refuses %s %s",
    (...words) => {
      expect(() => warnings(...words)).toThrow(/^Cannot attest to the image \(--.*\): /);
    },
  );
});
