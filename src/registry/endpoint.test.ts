import { describe, expect, it } from "vitest";
import { endpointOf } from "./endpoint.ts";

describe("an endpoint", () => {
  it.each([
    ["registry.example", {}, ["https://registry.example"]],
    ["registry.example:5000", {}, ["https://registry.example:5000"]],
    ["docker.io", {}, ["https://index.docker.io"]],
    ["localhost:5000", {}, ["https://localhost:5000", "http://localhost:5000"]],
    ["127.0.0.1:5000", {}, ["https://127.0.0.1:5000", "http://127.0.0.1:5000"]],
    ["[::1]:5000", {}, ["https://[::1]:5000", "http://[::1]:5000"]],
    ["registry.example", { insecure: true }, ["https://registry.example", "http://registry.example"]],
  ])("of %s with %j", (host, settings, addresses) => {
    expect(endpointOf(host, settings).addresses).toEqual(addresses);
  });

  it("accepts any certificate only where a person said so", () => {
    expect(endpointOf("localhost:5000").tls.insecure).toBeUndefined();
    expect(endpointOf("registry.example", { insecure: true }).tls.insecure).toBe(true);
  });
});
