import { resolve } from "node:path";
import { WhittleError } from "../io/index.ts";
import type { BuiltImage } from "../project/index.ts";
import type { Store } from "../store/index.ts";
import type { VerbContext } from "./verb.ts";

const types = ["store", "oci", "docker", "tar", "local"] as const;

/** Where a built image goes, as `-o` says it. */
export interface Output {
  readonly type: (typeof types)[number];
  /** Path of the file or directory; absent for the store. */
  readonly dest?: string;
  /** `oci` as one archive file instead of a directory. */
  readonly archive: boolean;
}

/**
 * Reads `type=oci,dest=PATH[,tar=true]`; a path alone means `type=local,dest=PATH`, as docker buildx has it.
 *
 * @throws WhittleError `USAGE`
 */
export function parseOutput(text: string): Output {
  if (!text.includes("=")) return { type: "local", dest: text, archive: false };
  const fields = new Map(
    text.split(",").map((part) => {
      const at = part.indexOf("=");
      return [part.slice(0, Math.max(at, 0)).trim(), part.slice(at + 1).trim()] as const;
    }),
  );
  for (const name of fields.keys()) {
    if (!["type", "dest", "tar"].includes(name)) throw refused(text, `"${name}" is not known`);
  }
  const type = types.find((candidate) => candidate === fields.get("type"));
  if (type === undefined) throw refused(text, `the type "${fields.get("type") ?? ""}" is not known`);
  const dest = fields.get("dest");
  if (type === "store") return { type, archive: false };
  if (dest === undefined || dest === "") throw refused(text, "it has no dest=PATH");
  const tar = fields.get("tar");
  return { type, dest, archive: tar === undefined ? /\.tar$/.test(dest) : tar === "true" };
}

function refused(text: string, found: string): WhittleError {
  return new WhittleError(
    "USAGE",
    `Cannot write to "${text}": ${found}, type=${types.join("|")}[,dest=PATH] is wanted`,
  );
}

/** Writes a built image to its place outside the store. */
export async function writeOutput(
  output: Output,
  image: BuiltImage,
  tags: readonly string[],
  store: Store,
  context: VerbContext,
): Promise<void> {
  const { writeTo } = await import("../store/index.ts");
  const path = resolve(context.currentDirectory, output.dest ?? "");
  const transport = {
    store: "oci",
    oci: output.archive ? "oci-archive" : "oci",
    docker: "docker-archive",
    tar: "tar",
    local: "rootfs",
  } as const;
  const place = { transport: transport[output.type], path };
  // Reasons travel with the image, so that `why` answers for a layout or an archive too.
  await writeTo(place, store, image.descriptor, context, { names: tags, referrers: image.referrers });
}
