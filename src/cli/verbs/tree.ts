import { Option } from "commander";
import type { LayerView } from "../../image/index.ts";
import { WhittleError } from "../../io/index.ts";
import { type Entry, type Origin, partsOf, type TreePath } from "../../tree/index.ts";
import { type ExplainedImage, withExplainedImage } from "../explained-image.ts";
import { formatBytes, formatTable } from "../format.ts";
import { printable } from "../paint.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags {
  readonly platform?: string;
  readonly layer?: string;
  readonly sort: "path" | "size";
  readonly depth?: string;
  readonly format: "table" | "json";
}

/** One line of the listing, and one object of its JSON form. */
interface Row {
  readonly path: TreePath;
  readonly type: Entry["type"];
  /** Four or more octal digits. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Of a file its bytes, of a directory those of all files below. */
  readonly size: number;
  readonly target?: string;
  readonly layer?: number;
  readonly origin?: Origin;
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<image>", "image in the store, or oci:DIR, docker-archive:FILE and the like")
      .argument("[path]", "list what is below this path", "/")
      .option("--platform <platform>", "of an image with several (default: this machine's)")
      .option("--layer <number>", "only what this layer put there; 1 is the lowest")
      .addOption(new Option("--sort <key>", "order of the lines").choices(["path", "size"]).default("path"))
      .option("--depth <number>", "leave out what is deeper; directories tell the size of what is in them")
      .addOption(
        new Option("--format <form>", "form of the output").choices(["table", "json"]).default("table"),
      )
      .addHelpText(
        "after",
        "\nExamples:\n  whittle tree api-simulator /usr/lib --sort size\n  whittle tree oci:image --depth 2 --format json\n",
      )
      .action((image: string, path: string, flags: Flags) =>
        run((context) =>
          withExplainedImage(image, flags.platform, context, (explained) =>
            list(explained, path, flags, context),
          ),
        ),
      );
  },
};

async function list(
  explained: ExplainedImage,
  path: string,
  flags: Flags,
  context: VerbContext,
): Promise<number> {
  const depth = wholeNumber("--depth", flags.depth, 0);
  const layer = wholeNumber("--layer", flags.layer, 1);
  const layers = await explained.image.layers();
  if (layer !== undefined && layer > layers.length) throw noSuchLayer(layer, layers);
  const rows = (await rowsBelow(explained, path)).filter(
    (row) =>
      (layer === undefined || row.layer === layer) &&
      (depth === undefined || partsOf(row.path).length - partsOf(path).length <= depth),
  );
  if (flags.sort === "size") rows.sort((a, b) => b.size - a.size);
  const { describeOrigin } = await import("../../carve/index.ts");
  context.out(
    flags.format === "json" ? `${JSON.stringify(rows, undefined, 2)}\n` : table(rows, describeOrigin),
  );
  return 0;
}

async function rowsBelow(explained: ExplainedImage, path: string): Promise<Row[]> {
  const tree = await explained.tree();
  const found = tree.resolve(path, { last: "keep" });
  if (found.entry === undefined) {
    throw new WhittleError(
      "NOT_FOUND",
      `Cannot list ${JSON.stringify(path)}: the image has nothing of that name`,
      {
        hint: "whittle why IMAGE PATH tells whether it was dropped",
      },
    );
  }
  const sizes = new Map<TreePath, number>();
  const entries = [...tree.entries(found.path)];
  for (const [at, entry] of entries) {
    if (entry.type !== "file") continue;
    for (let above = at; above !== ""; above = above.slice(0, above.lastIndexOf("/"))) {
      sizes.set(above, (sizes.get(above) ?? 0) + entry.content.size);
    }
  }
  return Promise.all(
    entries.map(async ([at, entry]) => rowOf(at, entry, sizes.get(at) ?? 0, await explained.origin(at))),
  );
}

function rowOf(path: TreePath, entry: Entry, size: number, origin: Origin | undefined): Row {
  return {
    path,
    type: entry.type,
    mode: entry.mode.toString(8).padStart(4, "0"),
    uid: entry.uid,
    gid: entry.gid,
    size,
    ...(entry.type === "symlink" ? { target: entry.target } : {}),
    ...(entry.origin?.kind === "layer" ? { layer: entry.origin.index + 1 } : {}),
    ...(origin === undefined ? {} : { origin }),
  };
}

function table(rows: readonly Row[], describe: (origin: Origin) => string): string {
  return formatTable(
    [
      { title: "MODE" },
      { title: "OWNER" },
      { title: "SIZE", align: "right" },
      { title: "ORIGIN" },
      { title: "PATH" },
    ],
    rows.map((row) => [
      modeText(row),
      `${row.uid}:${row.gid}`,
      row.type === "file" || row.type === "directory" ? formatBytes(row.size) : "",
      row.origin === undefined ? "" : printable(describe(row.origin)),
      printable(row.target === undefined ? row.path : `${row.path} -> ${row.target}`),
    ]),
  );
}

/** Mode as `ls -l` writes it. */
function modeText({ type, mode }: Row): string {
  const bits = Number.parseInt(mode, 8);
  const letters = [...permissions].map((letter, index) => ((bits >> (8 - index)) & 1 ? letter : "-"));
  const special = [
    [2, 0o4000, "s", "S"],
    [5, 0o2000, "s", "S"],
    [8, 0o1000, "t", "T"],
  ] as const;
  for (const [index, bit, both, alone] of special) {
    if (bits & bit) letters[index] = letters[index] === "x" ? both : alone;
  }
  return typeLetters[type] + letters.join("");
}

const permissions = "rwxrwxrwx";
const typeLetters: Record<Entry["type"], string> = {
  file: "-",
  directory: "d",
  symlink: "l",
  character: "c",
  block: "b",
  fifo: "p",
};

function wholeNumber(flag: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  throw new WhittleError(
    "USAGE",
    `Cannot use ${flag} ${JSON.stringify(text)}: a number from ${least} is wanted`,
  );
}

function noSuchLayer(layer: number, layers: readonly LayerView[]): WhittleError {
  const lines = layers.map(({ history }, index) => `${index + 1} ${history?.created_by ?? ""}`.trim());
  return new WhittleError("NOT_FOUND", `Cannot list layer ${layer}: the image has ${layers.length}`, {
    hint: lines.join("; "),
  });
}
