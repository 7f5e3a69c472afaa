import type { Attributes } from "../tree/index.ts";

/**
 * Of the extended attributes of files only their capabilities come into a layer: what else a file system has there
 * belongs to a machine, and BuildKit's layers do without it.
 */
export function layerAttributes<A extends Pick<Attributes, "xattrs">>(file: A): A {
  const { xattrs, ...rest } = file;
  if (xattrs === undefined) return file;
  const capabilities = xattrs.get(capability);
  return (
    capabilities === undefined ? rest : { ...rest, xattrs: new Map([[capability, capabilities]]) }
  ) as A;
}

// capabilities(7)
const capability = "security.capability";
