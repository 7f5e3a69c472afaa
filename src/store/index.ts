export type { Cache, JsonValue } from "./cache.ts";
export { openCache } from "./cache.ts";
export type { Collected, CollectOptions } from "./collect.ts";
export type { NamedImage } from "./names.ts";
export type { Store } from "./store.ts";
export { openStore } from "./store.ts";
export type { Usage } from "./usage.ts";
export type { Problem } from "./verify.ts";
