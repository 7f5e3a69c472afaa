import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { trees } from "../../test/arbitrary-tree.ts";
import { bytesContent, readContent } from "../io/index.ts";
import {
  decodeMembers,
  encodeMembers,
  type IndexedMember,
  indexTar,
  type TarHeader,
  writeTar,
} from "./index.ts";

async function described(members: readonly IndexedMember[]): Promise<unknown[]> {
  return Promise.all(
    members.map(async ({ content, ...header }) => [header, (await readContent(content)).toString("hex")]),
  );
}

describe("a list of an archive's members", () => {
  it("says all that the archive says", async () => {
    await fc.assert(
      fc.asyncProperty(trees, async (tree) => {
        const chunks: Uint8Array[] = [];
        for await (const chunk of writeTar(tree.entries())) chunks.push(chunk);
        const archive = bytesContent(Buffer.concat(chunks));
        const members = await indexTar(archive);
        const again = decodeMembers(encodeMembers(members), archive);
        expect(await described(again)).toEqual(await described(members));
      }),
      { numRuns: 200 },
    );
  });

  it("keeps what few members have: holes, devices, attributes, names that are no text", async () => {
    const archive = bytesContent("0123456789");
    const usual = { mode: 0o640, uid: 1, gid: 2, mtime: 1.25, size: 0, linkName: "", major: 0, minor: 0 };
    const members: TarHeader[] = [
      { ...usual, type: "file", name: "whole", size: 4, offset: 3, stored: 4 },
      {
        ...{ ...usual, type: "file", name: "holes", size: 9, offset: 1, stored: 2 },
        sparse: [{ offset: 5, length: 2 }],
      },
      { ...usual, type: "file", name: "one hole", size: 3, offset: 0, stored: 0, sparse: [] },
      { ...usual, type: "character", name: "dev/null", major: 1, minor: 3, offset: 0, stored: 0 },
      { ...usual, type: "symlink", name: "link\udce9", linkName: "../\u{1f40b}", offset: 0, stored: 0 },
      {
        ...{ ...usual, type: "directory", name: "d/", offset: 0, stored: 7 },
        xattrs: new Map([["user.a", Uint8Array.of(0, 255)]]),
      },
    ];
    const again = decodeMembers(encodeMembers(members), archive);
    expect(again.map(({ content: _, ...header }) => header)).toEqual(
      members.map((member) =>
        member.xattrs === undefined
          ? member
          : { ...member, xattrs: new Map([["user.a", Buffer.of(0, 255)]]) },
      ),
    );
    const texts = await Promise.all(again.slice(0, 3).map(({ content }) => readContent(content)));
    expect(texts.map((text) => text.toString("latin1"))).toEqual(["3456", "\0\0\0\0\x0012\0\0", "\0\0\0"]);
  });
});
