import { describe, expect, it } from "vitest";
import { expandTokens, searchDirectories } from "./tokens.ts";

const tokens = { ORIGIN: "/opt/app/bin", LIB: "lib/x86_64-linux-gnu", PLATFORM: "x86_64" };

/** Braces are put in here, so that no string looks like a template. */
const braced = (text: string): string => text.replace(/<(\w+)>/g, "$${$1}");

describe("dynamic string tokens", () => {
  it.each([
    ["/usr/lib", "/usr/lib"],
    ["$ORIGIN/../lib", "/opt/app/bin/../lib"],
    ["<ORIGIN>x/$LIB", "/opt/app/binx/lib/x86_64-linux-gnu"],
    ["/a/$PLATFORM/<LIB>", "/a/x86_64/lib/x86_64-linux-gnu"],
    ["$ORIGINAL", "$ORIGINAL"],
    ["$LIB_DIR", "$LIB_DIR"],
    ["<HOME>/$origin$", "<HOME>/$origin$"],
    ["$$LIB", "$lib/x86_64-linux-gnu"],
  ])("%s becomes %s", (text, wanted) => {
    expect(expandTokens(braced(text), tokens)).toBe(braced(wanted));
  });

  it("come to nothing without an origin", () => {
    expect(expandTokens("$ORIGIN/lib", { LIB: "lib", PLATFORM: "" })).toBeUndefined();
    expect(expandTokens("/lib", { LIB: "lib", PLATFORM: "" })).toBe("/lib");
  });
});

describe("searchDirectories", () => {
  it("keeps each absolute directory once, without slashes at the end", () => {
    const parts = ["/a/", "", ".", "rel/ative", "$ORIGIN", "/a", "//", "/opt/app/bin///"];
    expect(searchDirectories(parts, tokens)).toEqual(["/a", "/opt/app/bin", "/"]);
  });
});
