import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WhittleError } from "../io/index.ts";
import { parseRecipe, placeInRecipe } from "./parse.ts";

function failure(source: string): WhittleError {
  try {
    parseRecipe(source, "whittle.yaml");
  } catch (error) {
    if (error instanceof WhittleError) return error;
    throw error;
  }
  throw new Error("the recipe was accepted");
}

describe("parseRecipe", () => {
  it("reads the documented example", () => {
    const recipe = parseRecipe(
      `# yaml-language-server: $schema=./node_modules/whittle/schema/whittle.json
name: api-simulator
images:
  scratch:
    from: { debian: trixie }
    packages: [nginx-light, busybox]
    roots: [/usr/sbin/nginx, /bin/busybox]
    files:
      - { from: ./api, to: /srv/api, mode: a=rX }
    users: [{ name: web, uid: 10001 }]
    config:
      entrypoint: [/usr/sbin/nginx, -g, daemon off;]
      user: web
      ports: [8080/tcp]
      labels: { org.opencontainers.image.source: "somewhere" }
      healthcheck: { test: [CMD, /bin/busybox, wget, -qO-, "http://127.0.0.1:8080/healthz"], interval: 30s }
    platforms: [linux/amd64, linux/arm64]
    probes: [{ http: /users.json, status: 200, json: true }]
`,
      "whittle.yaml",
    );
    expect(recipe.images["scratch"]?.packages).toEqual(["nginx-light", "busybox"]);
    expect(recipe.images["scratch"]?.probes).toEqual([{ http: "/users.json", status: 200, json: true }]);
  });

  it("reads images of Dockerfiles and what names in them stand for", () => {
    const recipe = parseRecipe(
      `images:
  single: { dockerfile: Dockerfile, args: { DEBUG: 0 }, target: web }
  base: { from: { bootstrap: trixie, components: [main] }, packages: [python3], run: ["true"] }
contexts:
  python:3.13-slim: { image: ../bases/python }
  b: { project: ../bases/python, image: dev }
  c: { directory: ./c }
`,
      "whittle.yaml",
    );
    expect(recipe.images["single"]).toEqual({
      dockerfile: "Dockerfile",
      args: { DEBUG: "0" },
      target: "web",
    });
    expect(recipe.images["base"]?.from).toEqual({ bootstrap: "trixie", components: ["main"] });
    expect(recipe.contexts).toEqual({
      "python:3.13-slim": { image: "../bases/python" },
      b: { project: "../bases/python", image: "dev" },
      c: { directory: "./c" },
    });
  });

  it.each([
    ["0700", 0o700],
    ["0o700", 0o700],
    ['"0700"', "0700"],
    ["a=rX", "a=rX"],
  ])("reads the mode %s", (written, mode) => {
    const recipe = parseRecipe(`images: { a: { files: [{ content: x, to: /x, mode: ${written} }] } }`, "f");
    expect(recipe.images["a"]?.files?.[0]?.mode).toBe(mode);
  });

  it("merges what variants share", () => {
    const source = `images:
  web: &web { packages: [nginx], config: &config { user: web, ports: [80] } }
  debug: { <<: *web, packages: [nginx, busybox], config: { <<: *config, user: root } }
`;
    expect(parseRecipe(source, "f").images["debug"]).toEqual({
      packages: ["nginx", "busybox"],
      config: { user: "root", ports: [80] },
    });
  });

  it("finds the place of an entry again", () => {
    const source = "images: { a: {} }\ncontexts:\n  x:1: { image: y }\n";
    const { line, column, text } = placeInRecipe(source, "f", ["contexts", "x:1"]);
    expect([line, column, text]).toEqual([3, 3, "  x:1: { image: y }"]);
  });

  it("takes a suite as a word alone", () => {
    expect(parseRecipe("images: { a: { from: trixie } }", "f").images["a"]?.from).toEqual({
      debian: "trixie",
    });
  });

  // line:column, part of the message, part of the hint
  it.each([
    ["images:\n  a:\n    pakages: [x]\n", "3:5", '"pakages" in images.a', 'did you mean "packages"?'],
    ["images:\n  a:\n    from: { debian: trixie, componnts: [main] }\n", "3:29", "componnts", '"components"'],
    ["imags: {}\n", "1:1", '"imags"', '"images"'],
    ["images:\n  a:\n    probes: [{htp: /x}]\n", "3:15", '"htp"', '"http"'],
    ["images:\n  a:\n    zzzzzzzz: 1\n", "3:5", '"zzzzzzzz"', "known keys: dockerfile, context"],
    ["images: {}\n", "1:9", "at least one image is wanted", ""],
    ["a: [\n", "2:1", "Cannot read whittle.yaml", ""],
    ["images:\n  a:\n    config:\n      ports: [x]\n", "4:15", "a port like 8080/tcp is wanted", ""],
    ["images:\n  a:\n    files: [{from: x}]\n", "3:13", 'it has no "to"', ""],
    ["", "1:1", '"images:" is wanted', ""],
    ["images:\n  a:\n    from: {}\n", "3:5", 'it has no "debian"', ""],
    ["images:\n  a:\n    users: [{ name: Web, uid: 1 }]\n", "3:21", "a name like web or app_1", ""],
    ["images:\n  a: 3\n", "2:6", "a mapping of keys to values is wanted", ""],
    ["images:\n  a:\n    platforms: linux/amd64\n", "3:16", "a list is wanted", ""],
    ["images:\n  a: {}\n  a: {}\n", "3:3", "Map keys must be unique", ""],
    ["images:\n  a: { dockerfile: D, packages: [x] }\n", "2:33", "does not go with a Dockerfile", ""],
    ["images:\n  a:\n    target: x\n", "3:13", 'an image with "dockerfile"', ""],
    ["images:\n  a: { from: { bootstrap: x }, keep: [/a] }\n", "2:38", "nothing of a full system", ""],
    ["images:\n  a: { run: [x] }\n", "2:13", "only a full system runs commands", ""],
    ["images: {a: {}}\ncontexts:\n  x: { imgae: y }\n", "3:8", '"imgae"', '"image"'],
    ["images: {a: {}}\ncontexts: { x: y }\n", "2:16", "a mapping of keys to values is wanted", ""],
    ["images:\n  a: &x {packages: *y}\n", "1:1", "Unresolved alias", ""],
  ])("refuses %j at %s", (source, place, message, hint) => {
    const error = failure(source);
    expect(error.code).toBe("RECIPE_INVALID");
    expect(error.message.toLowerCase()).toContain(message.toLowerCase());
    expect(error.hint ?? "").toContain(hint);
    expect(`${error.at?.line}:${error.at?.column}`).toBe(place);
  });

  it("shows the offending line", () => {
    expect(failure("images:\n  a:\n    pakages: [x]\n").at?.text).toBe("    pakages: [x]");
  });

  it("refuses a bomb of aliases", () => {
    const levels = Array.from(
      { length: 12 },
      (_, n) =>
        `  a${n}: &a${n} [${Array(9)
          .fill(n === 0 ? "x" : `*a${n - 1}`)
          .join(",")}]`,
    );
    expect(failure(`images:\n${levels.join("\n")}\n`).message).toMatch(/alias/i);
  });

  it("never fails with anything but a WhittleError", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((json) => `images:\n  a: ${json}\n`),
        ),
        (source) => {
          try {
            parseRecipe(source, "f");
          } catch (error) {
            expect(error).toBeInstanceOf(WhittleError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
