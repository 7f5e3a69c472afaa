// The floors of ARCHITECTURE.md: a file imports from its own folder and from lower floors, and from another
// folder only through that folder's index.ts.
const floors = [
  ["io"],
  ["http"],
  ["tree"],
  ["tar"],
  ["image"],
  ["store"],
  ["sandbox", "registry", "probe"],
  ["debian", "elf", "python", "node", "shell"],
  ["carve"],
  ["dockerfile", "recipe", "simulate", "build", "buildkit", "slim", "project"],
  ["compare", "lint", "supply", "deploy"],
  ["cli", "ui"],
];

const upward = floors.slice(0, -1).map((folders, at) => ({
  name: `floor-of-${folders.join("-")}`,
  comment: "A lower floor must not know a higher one.",
  severity: "error",
  from: { path: `^src/(?:${folders.join("|")})/` },
  to: {
    path: `^src/(?:${floors
      .slice(at + 1)
      .flat()
      .join("|")}|index\\.ts)`,
  },
}));

module.exports = {
  forbidden: [
    ...upward,
    {
      name: "only-the-face",
      comment: "Another folder is known by its index.ts only.",
      severity: "error",
      from: { path: "^src/([^/]+)/" },
      to: { path: "^src/([^/]+)/", pathNot: ["^src/$1/", "^src/[^/]+/index\\.ts$"] },
    },
    {
      name: "no-circles",
      comment: "Types and modules that are loaded when first used make no circle at load time.",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only", "dynamic-import"] } },
    },
    { name: "no-unresolved", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "no-test-imports",
      comment: "What runs for people must not need what runs for tests.",
      severity: "error",
      from: { path: "^src/", pathNot: "\\.(test|contract)\\.ts$" },
      to: { path: "\\.(test|contract)\\.ts$" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      extensions: [".ts", ".js", ".json"],
      conditionNames: ["import", "node", "default"],
    },
  },
};
