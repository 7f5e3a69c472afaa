import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allDirectives, parseNginx } from "./nginx-syntax.ts";

describe("parseNginx", () => {
  it("reads words, quotes, comments and blocks with their lines", () => {
    const text = `user www-data; # who
http {
    log_format main '$remote_addr "$request"'
        "second \\"line\\"";
    server { listen 80; root /srv/a\\ b; }
    map $x $y { "~^a{2}$" 1; default ""; }
}`;
    expect(
      [...allDirectives(parseNginx(text) ?? [])].map(({ block, ...rest }) => ({
        ...rest,
        block: block?.length,
      })),
    ).toEqual([
      { name: "user", arguments: ["www-data"], line: 1, block: undefined },
      { name: "http", arguments: [], line: 2, block: 3 },
      {
        name: "log_format",
        arguments: ["main", '$remote_addr "$request"', 'second "line"'],
        line: 3,
        block: undefined,
      },
      { name: "server", arguments: [], line: 5, block: 2 },
      { name: "listen", arguments: ["80"], line: 5, block: undefined },
      { name: "root", arguments: ["/srv/a\\ b"], line: 5, block: undefined },
      { name: "map", arguments: ["$x", "$y"], line: 6, block: 2 },
      { name: "~^a{2}$", arguments: ["1"], line: 6, block: undefined },
      { name: "default", arguments: [""], line: 6, block: undefined },
    ]);
  });

  it("takes a variable in braces for a part of its word", () => {
    expect(parseNginx("root /srv/\u0024{host}/x;")).toMatchObject([{ arguments: ["/srv/\u0024{host}/x"] }]);
  });

  it.each(["a", "a {", "}", "a b; }", "{}", ";", 'a "b', "a { b }"])("knows nothing of %j", (text) => {
    expect(parseNginx(text)).toBeUndefined();
  });

  it("gives a quoted word back as it was, whatever it holds", () =>
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (word) => {
        const quoted = `"${word.replace(/["\\]/g, "\\$&")}"`;
        expect(parseNginx(`x ${quoted};`)?.[0]?.arguments).toEqual([word]);
      }),
    ));

  it("never fails", () =>
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("a", " ", "{", "}", ";", '"', "'", "\\", "#", "\n", "$")),
        (parts) => {
          parseNginx(parts.join(""));
        },
      ),
    ));
});
