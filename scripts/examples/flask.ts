import { probes, remove, start } from "./container.ts";
import { build, check, referenceOf, type Variant } from "./variant.ts";

/** Builds, runs and probes the images of a Flask example, after the stages that are checks. */
async function flask(
  example: string,
  images: readonly string[],
  checks: readonly string[],
  port: number,
): Promise<Variant[]> {
  for (const name of checks) check(example, name);
  const variants: Variant[] = [];
  for (const image of images) {
    variants.push(build(example, image));
    const name = `${example}-${image}-${process.pid}`;
    try {
      await probes(example, image, await start(referenceOf(example, image), name, port, ["--tmpfs", "/tmp"]));
    } finally {
      remove(name);
    }
  }
  return variants;
}

/** Wheels made in one stage and installed in another; tests and lint are stages too. */
export const flaskLab = () => flask("flask-lab", ["multistage"], ["test", "lint"], 8000);

/** The same application on a small base and on a distroless one. */
export const flaskDistroless = () => flask("flask-distroless", ["slim", "distroless"], ["test"], 5001);
