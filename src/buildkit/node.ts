import { type Digest, digestOfJson } from "../io/index.ts";
import type { Tree } from "../tree/index.ts";
import { once } from "./answers.ts";
import type { Provenance } from "./content/index.ts";
import type { Vertex, VertexInput } from "./vertex.ts";

/** Something that operations work on: nothing at all (`FROM scratch`), or files. */
export type Node = { readonly kind: "scratch" } | FilesNode;

/** Files that an operation has as input. */
export interface FilesNode {
  readonly kind: "files";
  /** Equal for two things with one definition: an operation on both has it once among its inputs. */
  readonly identity: string;
  readonly tree: () => Promise<Tree>;
  readonly provenance: Provenance;
  /** Undefined where nothing but the content tells what they are. */
  readonly vertex: Vertex | undefined;
}

/** What counts of an input beside its definition. */
export interface InputUse {
  readonly selector: string;
  /** Comes to the names of the root record of what is read. */
  readonly content?: (() => Promise<readonly Digest[]>) | undefined;
}

/** The inputs of an operation while it is made: each once, numbered as they come. */
export class Inputs {
  readonly nodes: FilesNode[] = [];

  /** The number of an input; -1 of nothing. */
  add(node: Node): number {
    if (node.kind === "scratch") return -1;
    const at = this.nodes.findIndex(({ identity }) => identity === node.identity);
    return at >= 0 ? at : this.nodes.push(node) - 1;
  }
}

/**
 * An operation over its inputs.
 *
 * @param names - several where versions of BuildKit make different operations of one thing
 * @param uses - by the numbers of inputs
 * @param tree - comes to its files
 * @returns undefined where an input can be known neither by its definition nor by its content
 */
export function operationNode(
  names: readonly Digest[],
  { nodes }: Inputs,
  uses: ReadonlyMap<number, InputUse>,
  tree: () => Promise<Tree>,
): FilesNode | undefined {
  const inputs = nodes.map(({ vertex }, at): VertexInput => {
    const { selector = "", content } = uses.get(at) ?? {};
    return { vertex, selector, ...(content === undefined ? {} : { content: once(content) }) };
  });
  if (inputs.some(({ vertex, content }) => vertex === undefined && content === undefined)) return undefined;
  const below = nodes.map(({ identity }, at) => [identity, inputs[at]?.selector ?? ""]);
  const identity = digestOfJson({ names, below });
  return { kind: "files", identity, tree, provenance: "kept", vertex: { names, inputs } };
}
