import { describe, expect, it } from "vitest";
import { findAccount } from "./accounts.ts";

const passwd =
  "root:x:0:0:root:/root:/bin/sh\nweb:x:101:33:,,,:/srv:/bin/false\nbroken\n7:x:12:12::/seven:\n";
const group = "root:x:0:\nwww-data:x:33:\nlog:x:44:web,other\naudio:x:29:web\n";

describe("findAccount", () => {
  it.each([
    ["", { uid: 0, gid: 0, additionalGids: [0], home: "/root" }],
    ["web", { uid: 101, gid: 33, additionalGids: [29, 33, 44], home: "/srv" }],
    ["101", { uid: 101, gid: 33, additionalGids: [29, 33, 44], home: "/srv" }],
    ["10001", { uid: 10001, gid: 0, additionalGids: [0], home: "/" }],
    ["web:log", { uid: 101, gid: 44, additionalGids: [44], home: "/srv" }],
    ["web:7", { uid: 101, gid: 7, additionalGids: [7], home: "/srv" }],
    ["10001:10001", { uid: 10001, gid: 10001, additionalGids: [10001], home: "/" }],
    ["7", { uid: 12, gid: 12, additionalGids: [12], home: "/seven" }],
  ])("%j is what Docker makes of it", (user, account) => {
    expect(findAccount(user, passwd, group)).toEqual(account);
  });

  it("needs no files for numbers", () => {
    expect(findAccount("5:6", "", "")).toEqual({ uid: 5, gid: 6, additionalGids: [6], home: "/" });
  });

  it.each([["nobody"], ["web:nogroup"], ["4294967295"]])("refuses %j", (user) => {
    expect(() => findAccount(user, passwd, group)).toThrow(/^Cannot run as/);
  });
});
