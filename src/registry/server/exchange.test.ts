import type { IncomingMessage, ServerResponse } from "node:http";
import fc from "fast-check";
import { expect, it } from "vitest";
import { type Exchange, pageOf } from "./exchange.ts";

function asking(query: string): Exchange {
  const unread = {} as IncomingMessage & ServerResponse;
  return { request: unread, response: unread, query: new URLSearchParams(query), user: "" };
}

it.each([
  ["", ["a", "b", "c"], undefined],
  ["n=2", ["a", "b"], '</p?n=2&last=b>; rel="next"'],
  ["n=3", ["a", "b", "c"], undefined],
  ["n=2&last=b", ["c"], undefined],
  ["last=a", ["b", "c"], undefined],
  ["n=0", [], undefined],
  ["last=z", [], undefined],
  ["n=1&last=aa", ["b"], '</p?n=1&last=b>; rel="next"'],
])("a page: %j", (query, page, link) => {
  expect(pageOf(asking(query), "/p", ["a", "b", "c"])).toEqual({
    page,
    headers: link === undefined ? {} : { link },
  });
});

it.each(["n=x", "n=-1", "n=1e9", "n=99999999999", "n="])("a page that is not one: %s", (query) => {
  expect(() => pageOf(asking(query), "/p", ["a"])).toThrow(/n is not a number/);
});

it("gives everything once, page after page", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.stringMatching(/^[a-z0-9._-]{1,5}$/)),
      fc.integer({ min: 1, max: 7 }),
      (all, n) => {
        const sorted = [...all].sort();
        const found: string[] = [];
        let query: string | undefined = `n=${n}`;
        while (query !== undefined) {
          const { page, headers } = pageOf(asking(query), "/p", sorted);
          found.push(...page);
          query = /<\/p\?([^>]*)>/.exec(headers["link"] ?? "")?.[1];
        }
        expect(found).toEqual(sorted);
      },
    ),
  );
});
