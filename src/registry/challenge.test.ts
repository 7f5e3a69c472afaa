import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseChallenges } from "./challenge.ts";

describe("a challenge", () => {
  it.each([
    // RFC 9110, section 11.6.1.
    [
      'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""',
      [
        { scheme: "basic", parameters: { realm: "simple" } },
        { scheme: "newauth", parameters: { realm: "apps", type: "1", title: 'Login to "apps"' } },
      ],
    ],
    // The distribution project's "Token Authentication Specification".
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:samalba/my-app:pull,push"',
      [
        {
          scheme: "bearer",
          parameters: {
            realm: "https://auth.docker.io/token",
            service: "registry.docker.io",
            scope: "repository:samalba/my-app:pull,push",
          },
        },
      ],
    ],
    ["BASIC REALM = x", [{ scheme: "basic", parameters: { realm: "x" } }]],
    [
      "Negotiate, Basic",
      [
        { scheme: "negotiate", parameters: {} },
        { scheme: "basic", parameters: {} },
      ],
    ],
    ["", []],
    [" , ,", []],
    ['"no scheme"', []],
    ['Basic realm="unfinished', [{ scheme: "basic", parameters: {} }]],
    [
      'Basic realm="a", Bearer realm="never ends',
      [
        { scheme: "basic", parameters: { realm: "a" } },
        { scheme: "bearer", parameters: {} },
      ],
    ],
  ])("%s", (header, expected) => {
    expect(parseChallenges(header)).toEqual(expected);
  });

  it("is read back as it was written", () => {
    const word = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
    const challenge = fc.record({
      scheme: word,
      parameters: fc
        .uniqueArray(fc.tuple(word, fc.string({ maxLength: 20 })), {
          selector: ([name]) => name,
          minLength: 1,
        })
        .map((pairs) =>
          Object.fromEntries(pairs.map(([name, value]) => [name, value.replace(/[\r\n\u2028\u2029]/g, "")])),
        ),
    });
    fc.assert(
      fc.property(fc.array(challenge, { maxLength: 3 }), (challenges) => {
        const header = challenges
          .map(({ scheme, parameters }) => {
            const pairs = Object.entries(parameters).map(
              ([name, value]) => `${name}="${value.replace(/["\\]/g, "\\$&")}"`,
            );
            return `${scheme} ${pairs.join(", ")}`;
          })
          .join(", ");
        expect(parseChallenges(header)).toEqual(challenges);
      }),
    );
  });

  it("of any text ends, and soon", () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => void parseChallenges(text)));
    expect(parseChallenges(`Basic realm="${"\\".repeat(100_000)}`)).toHaveLength(1);
    expect(parseChallenges("a ".repeat(50_000))).toHaveLength(50_000);
  });
});
