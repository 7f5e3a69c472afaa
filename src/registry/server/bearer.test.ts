import type { IncomingMessage } from "node:http";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BearerTokens, bearerChallenge, originOf } from "./bearer.ts";

describe("a token", () => {
  it("says whose it is, for a quarter of an hour, to the server that gave it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.nat(), (user, now) => {
        const tokens = new BearerTokens();
        const { token, access_token, expires_in, issued_at } = tokens.issue(user, now);
        expect(tokens.userOf(token, now + 899_999)).toBe(user);
        expect(tokens.userOf(token, now + 900_000)).toBeUndefined();
        expect(new BearerTokens().userOf(token, now)).toBeUndefined();
        expect([access_token, expires_in, issued_at]).toEqual([token, 900, new Date(now).toISOString()]);
      }),
    );
  });

  it("is none when anything of it is changed", () => {
    const tokens = new BearerTokens();
    const { token } = tokens.issue("ada");
    // The last letter of a signature of 32 bytes holds four bits: several letters mean the same.
    for (let at = 0; at < token.length - 1; at++) {
      const other = token[at] === "A" ? "B" : "A";
      expect(tokens.userOf(token.slice(0, at) + other + token.slice(at + 1))).toBeUndefined();
    }
    for (const none of ["", ".", "a.b", token.split(".", 1)[0] ?? "", `.${token.split(".")[1]}`]) {
      expect(tokens.userOf(none)).toBeUndefined();
    }
  });
});

// RFC 6750, section 3, and what clients of registries expect: "Token Authentication Specification" of distribution.
it.each([
  [[undefined, undefined], 'Bearer realm="http://a/v2/token",service="whittle"'],
  [
    ["b/c", "invalid_token"],
    'Bearer realm="http://a/v2/token",service="whittle",scope="repository:b/c:pull,push",error="invalid_token"',
  ],
] as const)("sends clients for a token: %j", ([repository, error], challenge) => {
  expect(bearerChallenge("http://a", repository, error)).toBe(challenge);
});

it.each([
  [{ host: "a:5000" }, false, "http://a:5000"],
  [{ host: "a:5000" }, true, "https://a:5000"],
  [{ host: "[::1]:5000", "x-forwarded-proto": "https" }, false, "https://[::1]:5000"],
  [{ host: "a", "x-forwarded-proto": "http" }, true, "https://a"],
  [{ host: 'a",realm="b' }, false, "http://localhost"],
  [{}, false, "http://localhost"],
])("is where a client thinks: %j", (headers, encrypted, origin) => {
  expect(originOf({ headers, socket: { encrypted } } as unknown as IncomingMessage)).toBe(origin);
});
