import { describe, expect, it } from "vitest";
import { extraHost } from "./extra-host.ts";

describe("extraHost", () => {
  it.each([
    ["db:10.0.0.7", "db", "10.0.0.7"],
    ["db=10.0.0.7", "db", "10.0.0.7"],
    ["db:::1", "db", "::1"],
    ["db=fe80::2", "db", "fe80::2"],
    ["db:[::2]", "db", "::2"],
  ])("%s", (text, name, address) => {
    expect(extraHost(text)).toEqual({ name, address });
  });

  it.each(["db", "db:", ":10.0.0.7", "db:10.0.0", "a b:10.0.0.7", "db:10.0.0.7\n1.1.1.1", "db:host-gateway"])(
    "refuses %j",
    (text) => {
      expect(() => extraHost(text)).toThrow(`Cannot add the host "${text}": NAME:ADDRESS is wanted`);
    },
  );
});
