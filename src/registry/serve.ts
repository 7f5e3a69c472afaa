import type { Store } from "../store/index.ts";
import type { RunningRegistry, ServeOptions } from "./server/serve.ts";

/**
 * Serves a store as a registry (distribution-spec 1.1).
 *
 * @throws WhittleError `ENVIRONMENT` when the address is taken, `PERMISSION`, `USAGE`
 */
export async function serve(store: Store, options: ServeOptions): Promise<RunningRegistry> {
  // Who only speaks to registries need not wait for what serves one: Node's own server takes longer to load than a
  // small push to be made.
  const server = await import("./server/serve.ts");
  return server.serve(store, options);
}
