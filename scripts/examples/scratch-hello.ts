import { say, whittle } from "../program.ts";
import { probes, remove, start, stop } from "./container.ts";
import { build, referenceOf, type Variant } from "./variant.ts";

const example = "scratch-hello";

/** A static server alone in its image: for every platform, and process 1 stops when it is told. */
export async function scratchHello(): Promise<Variant[]> {
  const variant = build(example, "scratch");
  const reference = referenceOf(example, "scratch");
  const { images } = JSON.parse(whittle(["inspect", "--format", "json", reference])) as {
    readonly images: readonly { readonly platform: string }[];
  };
  if (!images.some(({ platform }) => platform.startsWith("windows/amd64"))) {
    throw new Error(`${reference} has no image for Windows`);
  }
  const name = `${example}-${process.pid}`;
  try {
    const running = await start(reference, name, 8080);
    await probes(example, "scratch", running);
    const { milliseconds, status } = stop(name);
    if (status !== 0) throw new Error(`${example} ended with ${status} when it was told to stop`);
    say(`  ✓ process 1 gets SIGTERM and ends with status 0 (${Math.round(milliseconds)} ms)`);
  } finally {
    remove(name);
  }
  return [variant];
}
