import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatReference, parseReference, storeName } from "./reference.ts";

const digest = `sha256:${"ab".repeat(32)}`;

describe("parseReference", () => {
  // From the distribution project's reference tests and from docker's documented defaults.
  it.each([
    ["test", { registry: "docker.io", repository: "library/test", name: "test" }],
    ["bar/s0:1", { registry: "docker.io", repository: "bar/s0", name: "bar/s0", tag: "1" }],
    ["docker.io/library/debian:trixie", { repository: "library/debian", name: "debian", tag: "trixie" }],
    ["index.docker.io/a/b", { registry: "docker.io", repository: "a/b", name: "a/b" }],
    ["localhost/foo", { registry: "localhost", repository: "foo", name: "localhost/foo" }],
    ["localhost:5000/a/b:1", { registry: "localhost:5000", repository: "a/b", tag: "1" }],
    ["test.com:8080/repo", { registry: "test.com:8080", repository: "repo" }],
    [`test.com/repo:tag@${digest}`, { registry: "test.com", repository: "repo", tag: "tag", digest }],
    ["[2001:db8::1]:5000/repo", { registry: "[2001:db8::1]:5000", repository: "repo" }],
    ["docker.io/a.0/b", { registry: "docker.io", repository: "a.0/b", name: "docker.io/a.0/b" }],
    ["Uppercase/lower", { registry: "Uppercase", repository: "lower" }],
    ["a/b__c/d--e.f_g", { repository: "a/b__c/d--e.f_g" }],
  ])("reads %s", (text, wanted) => {
    expect(parseReference(text)).toMatchObject({ transport: "store", ...wanted });
  });

  it.each([
    [""],
    [":justtag"],
    [`@${digest}`],
    ["repo@sha256:ffff"],
    ["repo@md5:d41d8cd98f00b204e9800998ecf8427e"],
    ["UPPER"],
    [`lower:${"a".repeat(129)}`],
    [`${"a/".repeat(128)}a`],
    ["aa/asdf$$^/aa"],
    ["-test.com/x"],
    ["a//b"],
    ["a_b_/c"],
    ["a___b"],
    ["foo_bar.com/thing"],
    ["repo:-tag"],
    ["../../etc/passwd"],
    ["ab".repeat(32)],
    ["oci:"],
    ["oci:dir:a b"],
    ["a\0b"],
  ])("refuses %j", (text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: "REFERENCE_INVALID" }));
  });

  it("reads transports as skopeo writes them", () => {
    expect(parseReference("oci:./out")).toEqual({ transport: "oci", path: "./out" });
    expect(parseReference("oci:/a/b:bar/s0:1")).toEqual({ transport: "oci", path: "/a/b", tag: "bar/s0:1" });
    expect(parseReference("docker-archive:x.tar:a/b:1")).toMatchObject({ path: "x.tar", tag: "a/b:1" });
    expect(parseReference("oci-archive:x.tar")).toEqual({ transport: "oci-archive", path: "x.tar" });
    expect(parseReference("tar:/a:b.tar")).toEqual({ transport: "tar", path: "/a:b.tar" });
    expect(parseReference("docker://debian:trixie")).toMatchObject({
      transport: "docker",
      repository: "library/debian",
    });
    expect(parseReference("docker-daemon:a:1")).toMatchObject({
      transport: "docker-daemon",
      name: "a",
      tag: "1",
    });
    expect(parseReference(digest)).toMatchObject({ name: "", digest });
  });

  it("gives back what was formatted", () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,8}(?:(?:[._]|__|-{1,2})[a-z0-9]{1,4}){0,2}$/);
    const host = fc.constantFrom("", "localhost:5000/", "example.org/", "docker.io/", "[::1]:80/");
    const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/));
    const start = fc.constantFrom("", "docker://", "docker-daemon:");
    const reference = fc
      .tuple(start, host, fc.array(part, { minLength: 1, maxLength: 3 }), tag, fc.boolean())
      .map(
        ([s, h, parts, t, d]) =>
          `${s}${h}${parts.join("/")}${t === null ? "" : `:${t}`}${d ? `@${digest}` : ""}`,
      );
    // Without a registry, a first part with a dot would have to be one.
    const readable = reference.filter(
      (text) => !/^(?:docker:\/\/|docker-daemon:)?(?=[^/]*\.)(?=[^/]*_)/.test(text),
    );
    fc.assert(
      fc.property(readable, (text) => {
        const parsed = parseReference(text);
        const formatted = formatReference(parsed);
        expect(parseReference(formatted)).toEqual(parsed);
        expect(formatReference(parseReference(formatted))).toBe(formatted);
      }),
    );
  });

  it("answers any text with a reference or a readable refusal", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        try {
          parseReference(text);
        } catch (error) {
          expect(error).toMatchObject({ code: "REFERENCE_INVALID" });
        }
      }),
    );
  });
});

describe("storeName", () => {
  it("has one spelling for one image", () => {
    expect(storeName("docker.io/library/x")).toBe("x:latest");
    expect(storeName("x")).toBe("x:latest");
    expect(storeName("bar/s0:1")).toBe("bar/s0:1");
    expect(storeName("localhost:5000/x")).toBe("localhost:5000/x:latest");
  });

  it("refuses what is no name", () => {
    for (const text of [digest, `x@${digest}`, "oci:dir"])
      expect(() => storeName(text)).toThrow(/name with a tag/);
  });
});
