import type { Plugin } from "rolldown";
import { parseAst } from "rolldown/parseAst";

/**
 * Has chunks ask Node for its own modules instead of importing them. An import makes a second module of every one, with
 * all that it exports, and so loads what hides behind names that nobody uses: the browser's cryptography behind
 * `node:crypto`, standard input behind `node:process`. That takes a tenth of the time in which the program starts.
 */
export const ownModulesDirectly: Plugin = {
  name: "own-modules-directly",
  renderChunk(code) {
    let changed = code;
    for (const statement of parseAst(code).body.toReversed()) {
      if (statement.type !== "ImportDeclaration" || !statement.source.value.startsWith("node:")) continue;
      const { source, specifiers, start, end } = statement;
      const made =
        source.value === "node:process" ? "process" : `process.getBuiltinModule("${source.value}")`;
      const names: string[] = [];
      const wholes: string[] = [];
      for (const specifier of specifiers) {
        const local = specifier.local.name;
        if (specifier.type !== "ImportSpecifier") wholes.push(local);
        else if (specifier.imported.type !== "Identifier") throw new Error(`cannot import ${local} directly`);
        else if (specifier.imported.name === "default") wholes.push(local);
        else names.push(`${specifier.imported.name}: ${local}`);
      }
      const declared = [
        ...wholes.filter((local) => local !== made).map((local) => `const ${local} = ${made};`),
        ...(names.length === 0 ? [] : [`const { ${names.join(", ")} } = ${made};`]),
      ];
      changed = changed.slice(0, start) + declared.join(" ") + changed.slice(end);
    }
    return { code: changed, map: null };
  },
};
