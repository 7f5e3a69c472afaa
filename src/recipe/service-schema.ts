import { z } from "zod";
import type { HealthcheckRecipe, ServiceRecipe } from "./types.ts";

const text = z.string().min(1);
const strings = z.array(z.string());
const name = z.string().regex(/^[a-z0-9]+([._-][a-z0-9]+)*$/, "a name like db is wanted");

/**
 * The shape of `services:`, containers that have to run beside an image for its probes and for `whittle run`.
 *
 * @param healthcheck - the shape that images have, too
 */
export function servicesSchema(
  healthcheck: z.ZodType<HealthcheckRecipe>,
): z.ZodType<Record<string, ServiceRecipe>> {
  const service = z.strictObject({
    image: text.describe(
      "Directory with a whittle.yaml (../bases/postgres#NAME), image of this project or of the store",
    ),
    command: strings.optional().describe("Instead of the image's own"),
    entrypoint: strings.optional().describe("Instead of the image's own"),
    env: z.record(z.string().regex(/^[^=\s]+$/), z.coerce.string()).optional(),
    envFile: z
      .union([text, z.array(text)])
      .optional()
      .describe("Files with NAME=value lines, beside whittle.yaml"),
    ports: z
      .array(z.union([text, z.int().min(1).max(65535)]))
      .optional()
      .describe("As whittle run -p takes them"),
    volumes: z.array(text).optional().describe("As whittle run -v takes them: data:/var/lib/x, ./dir:/x:ro"),
    tmpfs: z.array(text).optional().describe("As whittle run --tmpfs takes them"),
    user: text.optional(),
    workdir: z.string().regex(/^\//, "an absolute path is wanted").optional(),
    healthcheck: healthcheck.optional().describe("Instead of the image's own"),
    dependsOn: z.array(name).optional().describe("Services that have to be healthy first"),
    restart: text.optional().describe("no, on-failure[:times], always or unless-stopped"),
  });
  return z.record(name, service);
}
