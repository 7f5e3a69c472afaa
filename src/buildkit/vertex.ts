import type { Digest } from "../io/index.ts";

/**
 * What BuildKit knows an operation by. One step of ours may be several operations of theirs: the last is the step's,
 * the others are its inputs.
 */
export interface Vertex {
  /**
   * `sha256("CACHEMAPDIGEST@OUTPUT")`, the digest of its records (moby/buildkit, solver/cachekey.go). Several where
   * BuildKit knows one thing by several names: an image by its manifest and by its layers.
   */
  readonly names: readonly Digest[];
  /** In BuildKit's order. */
  readonly inputs: readonly VertexInput[];
}

/** What a vertex stands on, and what of it counts. */
export interface VertexInput {
  /** Undefined where its name is of one build only (a local context): it is known by its content alone. */
  readonly vertex: Vertex | undefined;
  /** "" for none. */
  readonly selector: string;
  /**
   * The digests of the root record of its content, as versions of BuildKit compute it; absent where none looks at it.
   * Reading trees is dear: it is asked only where the definition does not decide.
   */
  readonly content?: () => Promise<readonly Digest[]>;
}
