import { main } from "../src/cli/index.ts";

// The command line from its source, for tests that run it as a process of its own.
await main(process.argv.slice(2));
