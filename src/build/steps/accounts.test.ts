import { describe, expect, it } from "vitest";
import { bytesContent, readText } from "../../io/index.ts";
import { attributes, Tree, treeOf } from "../../tree/index.ts";
import { type Account, addAccounts } from "./accounts.ts";

const web: Account = {
  name: "web",
  uid: 10001,
  gid: 10001,
  group: "web",
  home: "/nonexistent",
  shell: "/usr/sbin/nologin",
};
const present = treeOf([
  [
    "/etc/passwd",
    { type: "file", content: bytesContent("root:x:0:0:root:/root:/bin/sh\n"), ...attributes(0o644) },
  ],
  ["/etc/group", { type: "file", content: bytesContent("root:x:0:\n"), ...attributes(0o644) }],
]);

async function text(tree: Tree, path: string): Promise<string> {
  const entry = tree.get(path);
  return entry?.type === "file" ? readText(entry.content) : "";
}

describe("addAccounts", () => {
  it("adds lines to what is there", async () => {
    const tree = await addAccounts(present, [web]);
    expect(await text(tree, "/etc/passwd")).toBe(
      "root:x:0:0:root:/root:/bin/sh\nweb:x:10001:10001::/nonexistent:/usr/sbin/nologin\n",
    );
    expect(await text(tree, "/etc/group")).toBe("root:x:0:\nweb:x:10001:\n");
  });

  it("makes the files where there are none, and nothing for nobody", async () => {
    expect(await text(await addAccounts(Tree.empty, [web]), "/etc/group")).toBe("web:x:10001:\n");
    expect(await addAccounts(Tree.empty, [])).toBe(Tree.empty);
  });

  it("leaves an equal account and refuses a taken name or number", async () => {
    const once = await addAccounts(present, [web]);
    expect(await text(await addAccounts(once, [web]), "/etc/passwd")).toBe(await text(once, "/etc/passwd"));
    await expect(addAccounts(once, [{ ...web, name: "other" }])).rejects.toThrow(/web has the number 10001/);
    await expect(addAccounts(present, [{ ...web, name: "root" }])).rejects.toThrow(/root has the number 0/);
  });
});
