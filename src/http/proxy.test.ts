import { describe, expect, it } from "vitest";
import { isLoopback, proxies } from "./proxy.ts";

const proxy = "http://proxy.example:3128";
const through = (address: string, no_proxy: string): boolean =>
  proxies({ all_proxy: proxy, no_proxy })(new URL(address)) === proxy;

describe("no_proxy", () => {
  // The words that curl(1) ("NO_PROXY") and Go (golang.org/x/net/http/httpproxy) take.
  it.each([
    ["", "https://registry.example", true],
    ["*", "https://registry.example", false],
    ["registry.example", "https://registry.example", false],
    ["REGISTRY.example", "https://registry.EXAMPLE", false],
    ["example", "https://registry.example", false],
    ["ample", "https://registry.example", true],
    [".registry.example", "https://registry.example", true],
    [".example", "https://registry.example", false],
    ["*.example", "https://registry.example", false],
    ["other.example, registry.example", "https://registry.example", false],
    ["registry.example:443", "https://registry.example", false],
    ["registry.example:443", "https://registry.example:5000", true],
    ["registry.example:5000", "https://registry.example:5000", false],
    ["registry.example:80", "http://registry.example", false],
    ["10.1.2.3", "http://10.1.2.3:5000", false],
    ["10.0.0.0/8", "http://10.1.2.3:5000", false],
    ["10.0.0.0/8", "http://11.1.2.3:5000", true],
    ["10.0.0.0/8", "http://ten.example", true],
    ["10.0.0.0/99", "http://10.0.0.0", true],
    ["fd00::/8", "http://[fd00::2]:5000", false],
    ["fd00::2", "http://[fd00::2]:5000", false],
    ["[fd00::2]", "http://[fd00::2]:5000", false],
    ["[fd00::2]:5000", "http://[fd00::2]:5000", false],
    ["[fd00::2]:5000", "http://[fd00::2]", true],
    ["fe80::/10", "http://[fd00::2]:5000", true],
  ])("of %j lets %s go through the proxy: %s", (words, address, expected) => {
    expect(through(address, words)).toBe(expected);
  });
});

it("never asks a proxy for this machine", () => {
  expect(through("http://localhost:5000", "")).toBe(false);
  expect(through("https://127.0.0.1", "")).toBe(false);
  expect(through("https://[::1]:5000", "")).toBe(false);
});

it("takes each scheme's own variable before the one for all", () => {
  const chosen = proxies({ https_proxy: "secure.example:1", ALL_PROXY: "http://other.example:2" });
  expect(chosen(new URL("https://a.example"))).toBe("http://secure.example:1");
  expect(chosen(new URL("http://a.example"))).toBe("http://other.example:2");
  expect(proxies({})(new URL("http://a.example"))).toBe("");
});

it("refuses what is no address of a proxy, without its password", () => {
  for (const https_proxy of ["socks5://ada:secret@a.example", "http://ada:secret@a b"]) {
    expect(() => proxies({ https_proxy })).toThrow(/^(?!.*secret).*https_proxy names: it is not/);
  }
});

it.each([
  ["localhost", true],
  ["127.1.2.3", true],
  ["[::1]:443", true],
  ["localhost.example", false],
  ["127.0.0.1.example", false],
  ["127.example:80", false],
  ["[::2]", false],
  ["10.0.0.1", false],
])("%s is this machine: %s", (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});
