import { Option } from "commander";
import type { Dropped, Reason, Reasons } from "../../carve/index.ts";
import { nearest, WhittleError } from "../../io/index.ts";
import { type Entry, type Origin, parentOf, type TreePath } from "../../tree/index.ts";
import { type ExplainedImage, withExplainedImage } from "../explained-image.ts";
import { formatBytes } from "../format.ts";
import { type Paint, paint, printable } from "../paint.ts";
import type { VerbContext, VerbModule } from "../verb.ts";
import { whyGraph } from "../why-graph.ts";

interface Flags {
  readonly platform?: string;
  readonly all?: boolean;
  readonly dot?: boolean;
  readonly format: "text" | "json";
}

/** A reason with its words. */
type ToldReason = Reason & { readonly text: string };

/** The answer, as `--format json` gives it. */
interface Explanation {
  /** Without any link in it; `asked` is what the person wrote, where that is another name. */
  readonly path: TreePath;
  readonly asked?: string;
  readonly kept: boolean;
  readonly type: Entry["type"];
  readonly size: number;
  readonly origin?: Origin;
  /** From the person's word to the path; absent when the image carries no reasons or the path was dropped. */
  readonly chain?: readonly ToldReason[];
  /** With `--all`: every direct reason. */
  readonly reasons?: readonly ToldReason[];
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<image>", "image in the store, or oci:DIR, docker-archive:FILE and the like")
      .argument("<path>", "path in the image, or one that was dropped from it")
      .option("--platform <platform>", "of an image with several (default: this machine's)")
      .option("--all", "every direct reason instead of the shortest chain")
      .option("--dot", "all that leads there as a graph for Graphviz")
      .addOption(
        new Option("--format <form>", "form of the output").choices(["text", "json"]).default("text"),
      )
      .addHelpText(
        "after",
        "\nExamples:\n  whittle why api-simulator /lib64\n  whittle why api-simulator /usr/bin/perl --format json\n",
      )
      .action((image: string, path: string, flags: Flags) =>
        run((context) =>
          withExplainedImage(image, flags.platform, context, (explained) =>
            answer(explained, path, flags, context),
          ),
        ),
      );
  },
};

async function answer(
  explained: ExplainedImage,
  asked: string,
  flags: Flags,
  context: VerbContext,
): Promise<number> {
  const { describeOrigin, describeReason } = await import("../../carve/index.ts");
  const { reasons } = explained;
  const found = await find(explained, asked);
  if (flags.dot === true) {
    if (reasons === undefined) throw unexplained();
    context.out(whyGraph(reasons, found.path, describeReason));
    return 0;
  }
  const tell = (list: readonly Reason[]): ToldReason[] =>
    list.map((reason) => ({ ...reason, text: describeReason(reason) }));
  const explanation: Explanation = {
    ...found,
    ...(reasons === undefined || !found.kept ? {} : { chain: tell(reasons.chain(found.path)) }),
    ...(reasons === undefined || flags.all !== true ? {} : { reasons: tell(reasons.direct(found.path)) }),
  };
  if (flags.format === "json") context.out(`${JSON.stringify(explanation, undefined, 2)}\n`);
  else context.out(told(explanation, describeOrigin, paint(context.colour)));
  return 0;
}

type Found = Omit<Explanation, "chain" | "reasons">;

/** What a path is or was; the layers are read only where the reasons alone cannot tell. */
async function find(explained: ExplainedImage, asked: string): Promise<Found> {
  const { reasons } = explained;
  const plain = `/${asked
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/")}`;
  const gone = reasons?.dropped(plain);
  if (gone !== undefined) return dropped(plain, asked, gone);
  const tree = await explained.tree();
  const exact = tree.get(plain);
  const found = exact === undefined ? tree.resolve(plain) : { path: plain, entry: exact };
  if (found.entry === undefined) {
    const behind = reasons?.dropped(found.path);
    if (behind !== undefined) return dropped(found.path, asked, behind);
    throw unknown(asked, found.path, tree.children(parentOf(found.path)), reasons);
  }
  const origin = await explained.origin(found.path);
  return {
    path: found.path,
    ...(found.path === asked ? {} : { asked }),
    kept: true,
    type: found.entry.type,
    size: found.entry.type === "file" ? found.entry.content.size : 0,
    ...(origin === undefined ? {} : { origin }),
  };
}

function dropped(path: TreePath, asked: string, was: Dropped): Found {
  return { path, ...(path === asked ? {} : { asked }), kept: false, ...was };
}

function told(
  { path, asked, kept, type, size, origin, chain, reasons }: Explanation,
  describe: (origin: Origin) => string,
  p: Paint,
): string {
  const what =
    type === "file" ? `a file of ${formatBytes(size)}` : type === "symlink" ? "a link" : `a ${type}`;
  const from = origin === undefined ? "" : ` from ${printable(describe(origin))}`;
  const name = `${p.bold(printable(path))}${asked === undefined ? "" : ` (${printable(asked)})`}`;
  if (!kept) return `${name} was dropped: ${what}${from}. Nothing that is kept needs it.\n`;
  const head = `${name} is ${what}${from}.\n`;
  if (chain === undefined) return `${head}The image carries no reasons: it was not carved by Whittle.\n`;
  if (path === "/") return `${head}Everything is in it.\n`;
  if (reasons !== undefined) {
    return `${head}\n${reasons.map((reason) => `  ${printable(reason.text)}\n`).join("")}`;
  }
  const lines = chain.map((reason, index) => {
    const indent = "  ".repeat(index + 1);
    return `${indent}${p.bold(printable(reason.to))}\n${indent}  ${p.dim(printable(reason.text))}\n`;
  });
  return `${head}\n${lines.join("")}`;
}

function unknown(
  asked: string,
  path: TreePath,
  names: readonly string[],
  reasons: Reasons | undefined,
): WhittleError {
  const near = nearest(path, [
    ...names.map((name) => `${parentOf(path) === "/" ? "" : parentOf(path)}/${name}`),
    ...(reasons?.droppedPaths().keys() ?? []),
  ]);
  return new WhittleError(
    "NOT_FOUND",
    `Cannot explain ${JSON.stringify(asked)}: it is not in the image, and it was not in what the image was made of`,
    near === undefined ? {} : { hint: `did you mean ${near}?` },
  );
}

function unexplained(): WhittleError {
  return new WhittleError("NOT_FOUND", "Cannot draw the reasons: the image carries none", {
    hint: "only images that Whittle carved have them",
  });
}
