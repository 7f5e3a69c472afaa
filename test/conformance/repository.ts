import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { git } from "../git-server.ts";

/**
 * Makes `repository.git` in a directory: the same commits wherever it is made, so that a Dockerfile can name them.
 * `v1` is a commit's own tag and `v2` an annotated one of its child, which `main` ends with; `feature` leaves from `v1`.
 */
export function makeRepository(directory: string): void {
  const work = join(directory, "repository.git");
  mkdirSync(join(work, "sub/deep"), { recursive: true });
  git(work, "init", "-q", "-b", "main");
  const commit = (message: string, files: Readonly<Record<string, string>>): void => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(work, name), text);
    git(work, "add", "-A");
    git(work, "commit", "-q", "-m", message);
  };
  writeFileSync(join(work, "tool"), "#!/bin/sh\n", { mode: 0o755 });
  symlinkSync("sub/inner", join(work, "link"));
  commit("first", { file: "first\n", "sub/inner": "inner\n", "sub/deep/.hidden": "", "a b": "space\n" });
  git(work, "tag", "v1");
  git(work, "checkout", "-q", "-b", "feature");
  commit("feature", { "sub/inner": "feature\n" });
  git(work, "checkout", "-q", "main");
  commit("second", { file: "second\n" });
  git(work, "tag", "-a", "-m", "second", "v2");
}
