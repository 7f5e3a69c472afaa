import { defineConfig } from "vitest/config";

// Threads that tests start are TypeScript, whose types Node takes out by WebAssembly. About one in a thousand such
// threads takes the process down: V8 exchanges slow wrappers of imported functions for fast ones, and all threads of
// a process share them without care enough. So the slow ones are kept. (What is built has no types to take out.)
const execArgv = ["--wasm-wrapper-tiering-budget=1000000000"];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "test/**/*.unit.test.ts"],
          execArgv,
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/**/*.e2e.test.ts"],
          execArgv,
          testTimeout: 600_000,
          hookTimeout: 600_000,
          maxWorkers: 2,
          // Real programs on a loaded machine: what fails only then is tried again, and reported as such.
          retry: 1,
        },
      },
    ],
  },
});
