import { describe, expect, it } from "vitest";
import { bytesContent, digestOfJson, readText } from "../io/index.ts";
import { attributes, type Entry, type Tree, treeOf } from "../tree/index.ts";
import { carve } from "./carve.ts";
import { standardEvidence } from "./standard.ts";
import { surfaceOf } from "./surface.ts";

const file = (text: string, mode = 0o644): Entry => ({
  type: "file",
  ...attributes(mode),
  content: bytesContent(text),
});
const application = (data: string, script: string, mode = 0o644): Tree =>
  treeOf([
    ["/srv/data.json", file(data, mode)],
    ["/srv/run", file(script, 0o755)],
  ]);

describe("surfaceOf", () => {
  const key = async (tree: Tree): Promise<string> => digestOfJson(await surfaceOf(tree, standardEvidence()));

  it("stays the same when a data file changes, and only then", async () => {
    const before = await key(application("1", "#!/bin/sh\n"));
    expect(await key(application("2 and more", "#!/bin/sh\n"))).toBe(before);
    expect(await key(application("1", "#!/bin/bash\n"))).not.toBe(before);
    expect(await key(application("1", "#!/bin/sh\n", 0o600))).not.toBe(before);
    expect(await key(application("#!/bin/sh\n", "#!/bin/sh\n"))).not.toBe(before);
  });

  it("hides the bytes of data files from a carve and shows those of scripts", async () => {
    const { tree } = await surfaceOf(application("secret", "#!/bin/sh\n"), standardEvidence());
    const texts = ["/srv/data.json", "/srv/run"].map(async (path) => {
      const entry = tree.get(path);
      return entry?.type === "file" ? readText(entry.content) : undefined;
    });
    expect(await Promise.all(texts)).toEqual(["", "#!/bin/sh\n"]);
  });

  it("keeps what application files need of the packages, and none of the packages' files under them", async () => {
    const packages = treeOf([
      ["/bin/sh", file("shell", 0o755)],
      ["/bin/other", file("", 0o755)],
      ["/srv/data.json", file("of a package")],
    ]);
    const surface = await surfaceOf(application("1", "#!/bin/sh\n"), standardEvidence());
    const { tree, reasons } = await carve(packages, [], standardEvidence(), { surface });
    expect([...tree.entries()].map(([path]) => path)).toEqual(["/bin", "/bin/sh", "/srv"]);
    expect(reasons.chain("/bin/sh").map(({ to }) => to)).toEqual(["/srv/run", "/bin/sh"]);
    expect(reasons.chain("/srv/data.json")).toEqual([
      { from: undefined, to: "/srv/data.json", how: { kind: "named", by: "file" } },
    ]);
  });
});
