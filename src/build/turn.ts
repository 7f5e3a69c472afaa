import { slots } from "../http/index.ts";

/**
 * A place for one who computes. Carvings that are done by turns end one after the other, so that the first is written
 * while the second is carved; side by side they would all end late, at once.
 */
export const computing = slots(1);
