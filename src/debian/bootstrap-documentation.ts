import type { TreePath } from "../tree/index.ts";

/**
 * What the slim images of Debian leave out of every package, as dpkg's configuration says it (dpkg(1),
 * `--path-exclude`): documentation, translations, manuals. Licence texts stay.
 */
const left = ["doc", "info", "linda", "lintian/overrides", "locale", "man"].map(
  (name) => `/usr/share/${name}/`,
);

/** dpkg's own wording of it, so that packages which are installed later are treated alike. */
export const documentationRules = `# Documentation, translations and manuals are left out of this system, and these lines keep them out.
${left.map((directory) => `path-exclude ${directory}*\n`).join("")}path-include /usr/share/doc/*/copyright
`;

/** Whether a path of a package is left out. A directory that holds something which stays is there in any case. */
export function isDocumentation(path: TreePath): boolean {
  if (!path.startsWith("/usr/share/")) return false;
  return (
    left.some((directory) => path.startsWith(directory)) && !/^\/usr\/share\/doc\/.*\/copyright$/.test(path)
  );
}
