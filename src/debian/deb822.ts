import { WhittleError } from "../io/index.ts";

/** Fields of one paragraph by lower-case name. Continuation lines are joined by newlines, without their indent. */
export type Paragraph = ReadonlyMap<string, string>;

/**
 * Reads the paragraphs of a control file (deb822(5), Policy 5.1): `Name: value`, continuation lines start with
 * white space, `#` lines are comments, blank lines separate paragraphs.
 *
 * @param what - the file's name for an error
 * @throws WhittleError `ARCHIVE_CORRUPT` for a line that is none of these, or a field given twice
 */
export function parseParagraphs(text: string, what: string): Paragraph[] {
  const paragraphs: Paragraph[] = [];
  let fields = new Map<string, string>();
  let last: string | undefined;
  const end = (): void => {
    if (fields.size > 0) paragraphs.push(fields);
    fields = new Map();
    last = undefined;
  };
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") {
      end();
    } else if (line.startsWith("#")) {
      // A comment may stand between the lines of one field.
    } else if (/^[ \t]/.test(line)) {
      if (last === undefined) throw unreadable(what, at, line);
      fields.set(last, `${fields.get(last) ?? ""}\n${line.slice(1).trimEnd()}`);
    } else {
      const colon = line.indexOf(":");
      const name = line.slice(0, colon).toLowerCase();
      if (colon <= 0 || !/^[!-9;-~]+$/.test(name) || fields.has(name)) throw unreadable(what, at, line);
      fields.set(name, line.slice(colon + 1).trim());
      last = name;
    }
  }
  end();
  return paragraphs;
}

function unreadable(what: string, at: number, line: string): WhittleError {
  return new WhittleError(
    "ARCHIVE_CORRUPT",
    `Cannot read ${what}: line ${at + 1} is ${JSON.stringify(line.slice(0, 80))}, "Name: value" is wanted`,
  );
}
