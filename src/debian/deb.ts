import { stat } from "node:fs/promises";
import {
  type ByteRange,
  type Content,
  decompress,
  explainSystemError,
  fileContent,
  readContent,
  WhittleError,
} from "../io/index.ts";
import { readTar } from "../tar/index.ts";
import { treePath } from "../tree/index.ts";
import { readAr } from "./ar.ts";
import { type Paragraph, parseParagraphs } from "./deb822.ts";

/** The parts of a binary package as they lie in its archive, each compressed or not. */
export interface DebParts {
  readonly control: ByteRange;
  readonly data: ByteRange;
}

/** What the control archive of a package says. */
export interface DebControl {
  /** The `control` file as it is. */
  readonly text: string;
  readonly fields: Paragraph;
  /** The other files: `preinst`, `postinst`, `conffiles`, `md5sums`, `triggers`… */
  readonly files: ReadonlyMap<string, string>;
}

const form = "(?:\\.(?:gz|xz|zst|bz2))?";
const controlName = new RegExp(`^control\\.tar${form}$`);
const dataName = new RegExp(`^data\\.tar${form}$`);
const mostControlBytes = 64 * 1024 * 1024;

/**
 * Finds the parts of a binary package (deb(5)): `debian-binary` of version 2, a control archive, a data archive,
 * in this order; members whose names begin with `_` may stand between.
 *
 * @throws WhittleError `ARCHIVE_CORRUPT`
 */
export async function openDeb(content: Content, what: string): Promise<DebParts> {
  const members = (await readAr(content, what)).filter(({ name }) => !name.startsWith("_"));
  const [version, control, data] = members;
  if (version?.name !== "debian-binary") throw invalid(what, "its first member is not debian-binary");
  const start = await readContent(content, {
    start: version.start,
    end: Math.min(version.end, version.start + 64),
  });
  const text = start.toString("latin1");
  if (!/^2\.\d+\n/.test(text)) throw invalid(what, `its format is ${JSON.stringify(text)}, 2.0 is wanted`);
  if (control === undefined || !controlName.test(control.name)) {
    throw invalid(what, `its second member is "${control?.name ?? ""}", control.tar is wanted`);
  }
  if (data === undefined || !dataName.test(data.name)) {
    throw invalid(what, `its third member is "${data?.name ?? ""}", data.tar is wanted`);
  }
  return { control, data };
}

/**
 * Reads the control archive of a package.
 *
 * @throws WhittleError `ARCHIVE_CORRUPT`, `ARCHIVE_HOSTILE`
 */
export async function readControl(
  content: Content,
  part: ByteRange,
  what: string,
  signal: AbortSignal,
): Promise<DebControl> {
  const files = new Map<string, string>();
  const stream = decompress(content.open(part), { limit: mostControlBytes, signal });
  for await (const member of readTar(stream)) {
    if (member.type !== "file") continue;
    const bytes: Uint8Array[] = [];
    for await (const chunk of member.body) bytes.push(chunk);
    files.set(treePath(member.name).slice(1), Buffer.concat(bytes).toString("utf8"));
  }
  const text = files.get("control");
  if (text === undefined) throw invalid(what, "it has no control file");
  const [fields] = parseParagraphs(text, `the control file of ${what}`);
  if (fields?.get("package") === undefined || fields.get("version") === undefined) {
    throw invalid(what, "its control file names no package and version");
  }
  files.delete("control");
  return { text, fields, files };
}

/**
 * The files of a package's control archive by name, without `control` itself.
 *
 * @param path - of the `.deb`
 * @throws WhittleError `ARCHIVE_CORRUPT`, `ARCHIVE_HOSTILE`
 */
export async function readControlFiles(
  path: string,
  what: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const { size } = await stat(path).catch((error: unknown) => {
    throw explainSystemError(error, `read ${path}`);
  });
  const content = fileContent(path, size);
  const { control } = await openDeb(content, what);
  return (await readControl(content, control, what, signal)).files;
}

function invalid(what: string, found: string): WhittleError {
  return new WhittleError("ARCHIVE_CORRUPT", `Cannot read ${what}: ${found}`);
}
