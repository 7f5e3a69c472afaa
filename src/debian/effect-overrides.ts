import { treePath } from "../tree/index.ts";
import type { Effect, EffectRoot } from "./effect.ts";
import { commandsNamed } from "./shell-words.ts";

/** Owners and modes that packages set at once with `dpkg-statoverride --update --add` (dpkg-statoverride(1)). */
export const statOverrides: Effect = {
  name: "stat overrides",
  apply(root) {
    for (const owner of root.packages) {
      const script = owner.scripts.get("postinst") ?? "";
      for (const words of commandsNamed(script, "dpkg-statoverride")) {
        if (words.includes("--update") && words.includes("--add")) override(words, root);
      }
    }
  },
};

function override(words: readonly string[], root: EffectRoot): void {
  const [user = "", group = "", mode = "", path = ""] = words.filter((word) => !word.startsWith("--"));
  const uid = user.startsWith("#") ? Number(user.slice(1)) : root.accounts.user(user)?.uid;
  const gid = group.startsWith("#") ? Number(group.slice(1)) : root.accounts.group(group)?.gid;
  if (uid === undefined || gid === undefined || !/^[0-7]{3,4}$/.test(mode) || !path.startsWith("/")) return;
  const place = treePath(path);
  const entry = root.get(place);
  if (entry === undefined || entry.type === "symlink") return;
  root.put(place, { ...entry, uid, gid, mode: Number.parseInt(mode, 8) });
}
