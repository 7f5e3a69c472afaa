import { z } from "zod";
import type { Lock } from "./lock.ts";

const text = z.string().min(1);

const lockedPackage = z.strictObject({
  name: text,
  version: text,
  architecture: text,
  source: text.exactOptional(),
  filename: text,
  size: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  installedSize: z.int().min(0),
  suite: text,
});

const lockedPlatform = z.strictObject({
  architecture: text,
  base: z.array(text).exactOptional(),
  manual: z.array(text).exactOptional(),
  packages: z.array(lockedPackage),
});

const lockedDockerfile = z.strictObject({
  bases: z.record(z.string(), z.record(z.string(), text)),
  sources: z.record(z.string(), text),
});

/** The shape of `whittle.lock`. */
export const lockSchema: z.ZodType<Lock> = z.strictObject({
  version: z.literal(1),
  images: z.record(z.string(), z.record(z.string(), lockedPlatform)),
  dockerfiles: z.record(z.string(), lockedDockerfile).exactOptional(),
});
