import type { Step } from "../build/index.ts";
import type { Tree } from "../tree/index.ts";
import { Answers, once } from "./answers.ts";
import { copyNode } from "./copy-node.ts";
import { gitNode, httpNode } from "./fetched-node.ts";
import { imageNode } from "./image-node.ts";
import type { FilesNode, Node } from "./node.ts";
import { runNode } from "./run-node.ts";
import type { Vertex } from "./vertex.ts";
import { workdirNode } from "./workdir-node.ts";

/** What those that make nodes ask for others. */
export interface Neighbours {
  /** The node of an input; undefined where it is not known for certain what BuildKit makes of it. */
  of(step: Step | undefined): Promise<Node | undefined>;
  /** As {@link of}, but files all the same where only what the step is made of is unknown. */
  files(step: Step | undefined): Promise<Node | undefined>;
  treeOf(step: Step): Promise<Tree>;
}

/**
 * BuildKit's view of the steps of Dockerfiles: which operations its front end makes of them, by what names it knows
 * these, and what they stand on (moby/buildkit, frontend/dockerfile/dockerfile2llb and client/llb, as of 0.25).
 */
export class Vertices {
  readonly #treeOf: (step: Step) => Promise<Tree>;
  readonly #isAsDefined: (step: Step) => Promise<boolean>;
  readonly #nodes = new Answers<Step, Node | undefined>();
  readonly #files = new Map<Step, FilesNode>();

  /**
   * @param treeOf - comes to the tree of a step that is an input of another one
   * @param isAsDefined - whether an input may be known by what it is made of; by its content alone where it may not
   */
  constructor(
    treeOf: (step: Step) => Promise<Tree>,
    isAsDefined: (step: Step) => Promise<boolean> = async () => true,
  ) {
    this.#treeOf = treeOf;
    this.#isAsDefined = isAsDefined;
  }

  /**
   * The operation that a step comes to in the end; undefined for what is none of BuildKit's, and wherever it is not
   * certain which one it is.
   */
  async of(step: Step): Promise<Vertex | undefined> {
    const node = await this.#node(step);
    return node?.kind === "files" ? node.vertex : undefined;
  }

  #node(step: Step): Promise<Node | undefined> {
    return this.#nodes.get(step, () => this.#make(step));
  }

  async #make(step: Step): Promise<Node | undefined> {
    const neighbours: Neighbours = {
      of: async (input) => input && this.#defined(input),
      files: async (input) => input && ((await this.#defined(input)) ?? this.#onlyFiles(input)),
      treeOf: this.#treeOf,
    };
    switch (step.kind) {
      case "scratch":
        return { kind: "scratch" };
      case "select":
        return neighbours.files(step.inputs["source"]);
      case "context":
        return this.#onlyFiles(step);
      case "base":
        return imageNode(step, neighbours);
      case "http-checked":
        return httpNode(step, neighbours);
      case "git":
        return gitNode(step, neighbours);
      case "workdir":
        return workdirNode(step, neighbours);
      case "copy":
        return copyNode(step, neighbours);
      case "run":
        return runNode(step, neighbours);
      default:
        return undefined;
    }
  }

  async #defined(input: Step): Promise<Node | undefined> {
    return (await this.#isAsDefined(input)) ? this.#node(input) : undefined;
  }

  /** What only its content tells is the same as nothing but itself. */
  #onlyFiles(step: Step): FilesNode {
    let node = this.#files.get(step);
    if (node === undefined) {
      const identity = `files ${this.#files.size}`;
      const provenance = step.kind === "context" ? "sent" : "kept";
      const tree = once(() => this.#treeOf(step));
      node = { kind: "files", identity, tree, provenance, vertex: undefined };
      this.#files.set(step, node);
    }
    return node;
  }
}
