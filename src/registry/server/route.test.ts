import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Refused } from "./refused.ts";
import { repositoryOf, routeOf } from "./route.ts";

const digest = `sha256:${"a".repeat(64)}`;
const session = "0123456789abcdef0123456789abcdef";

describe("a path", () => {
  it.each([
    ["/v2", { kind: "base" }],
    ["/v2/", { kind: "base" }],
    ["/v2/_catalog", { kind: "catalog" }],
    ["/v2/token", { kind: "token" }],
    ["/v2/token/tags/list", { kind: "tags", repository: "token" }],
    ["/metrics", { kind: "metrics" }],
    ["/health", { kind: "health" }],
    ["/v2/a/b/c/tags/list", { kind: "tags", repository: "a/b/c" }],
    ["/v2/a/manifests/1.0", { kind: "manifest", repository: "a", reference: "1.0" }],
    [`/v2/a/manifests/${digest}`, { kind: "manifest", repository: "a", reference: digest }],
    [
      `/v2/a/manifests/${encodeURIComponent(digest)}`,
      { kind: "manifest", repository: "a", reference: digest },
    ],
    // A repository may be called after a part of the grammar.
    [
      "/v2/manifests/manifests/manifests",
      { kind: "manifest", repository: "manifests", reference: "manifests" },
    ],
    ["/v2/a/blobs/uploads/tags/list", { kind: "tags", repository: "a/blobs/uploads" }],
    [`/v2/a/blobs/${digest}`, { kind: "blob", repository: "a", digest }],
    ["/v2/a/blobs/uploads/", { kind: "uploads", repository: "a" }],
    [`/v2/a/blobs/uploads/${session}`, { kind: "upload", repository: "a", session }],
    [`/v2/a/referrers/${digest}`, { kind: "referrers", repository: "a", digest }],
    ["/", undefined],
    ["/v1/", undefined],
    ["/v2/a", undefined],
    ["/v2/a/tags/lists", undefined],
    ["/v2/%zz/tags/list", undefined],
  ])("%s", (path, route) => {
    expect(routeOf(path)).toEqual(route);
  });

  it.each([
    ["/v2/../../etc/passwd/manifests/1", "NAME_INVALID"],
    ["/v2/%2e%2e%2f%2e%2e/manifests/1", "NAME_INVALID"],
    ["/v2/a/../b/blobs/uploads/", "NAME_INVALID"],
    ["/v2/a//b/tags/list", "NAME_INVALID"],
    ["/v2//tags/list", undefined],
    ["/v2/A/tags/list", "NAME_INVALID"],
    ["/v2/-a/tags/list", "NAME_INVALID"],
    ["/v2/a\0b/tags/list", "NAME_INVALID"],
    ["/v2/a%00/tags/list", "NAME_INVALID"],
    [`/v2/${"a".repeat(256)}/tags/list`, "NAME_INVALID"],
    ["/v2/a/manifests/..", "MANIFEST_INVALID"],
    ["/v2/a/manifests/../../x", "MANIFEST_INVALID"],
    ["/v2/a/manifests/", "MANIFEST_INVALID"],
    [`/v2/a/manifests/${"t".repeat(129)}`, "MANIFEST_INVALID"],
    ["/v2/a/manifests/sha256:../../x", "DIGEST_INVALID"],
    [`/v2/a/blobs/sha256:${"A".repeat(64)}`, "DIGEST_INVALID"],
    ["/v2/a/blobs/sha256:..%2f..%2findex.json", "DIGEST_INVALID"],
    ["/v2/a/referrers/x", "DIGEST_INVALID"],
    ["/v2/a/blobs/uploads/..", "BLOB_UPLOAD_UNKNOWN"],
    ["/v2/a/blobs/uploads/%2e%2e%2fblobs", "DIGEST_INVALID"],
  ])("%j is refused: %s", (path, code) => {
    if (code === undefined) expect(routeOf(path)).toBeUndefined();
    else expect(() => routeOf(path)).toThrow(expect.objectContaining({ code }));
  });

  it("never names a place outside, whatever it says", () => {
    const part = fc.constantFrom(
      "..",
      ".",
      "",
      "a",
      "b.c",
      "%2e%2e",
      "%2f",
      "\\",
      "manifests",
      "blobs",
      "uploads",
      "v2",
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        try {
          const route = routeOf(`/v2/${parts.join("/")}`);
          if (route !== undefined && "repository" in route) {
            expect(route.repository.split("/")).not.toContain("..");
            expect(route.repository).not.toMatch(/[\\%]|^\/|\/$|\/\//);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(Refused);
        }
      }),
    );
  });

  it("that is hostile to a regular expression is answered at once", () => {
    for (const name of ["a-".repeat(60_000), `${"a/".repeat(60_000)}!`, "a__".repeat(60_000)]) {
      expect(() => repositoryOf(name)).toThrow(Refused);
    }
  });
});
