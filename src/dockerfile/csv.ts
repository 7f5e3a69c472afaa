/**
 * Splits one line of comma-separated values as Go's `encoding/csv` does (RFC 4180): a field in double quotes may
 * hold commas, and quotes that are doubled.
 *
 * @throws RangeError for a quote inside a field that does not start with one, or one left open
 */
export function csvFields(line: string): string[] {
  const fields: string[] = [];
  let position = 0;
  for (;;) {
    let field = "";
    if (line[position] === '"') {
      const end = closingQuote(line, position);
      field = line.slice(position + 1, end).replaceAll('""', '"');
      position = end + 1;
      if (position < line.length && line[position] !== ",") throw unexpectedQuote(end);
    } else {
      const comma = line.indexOf(",", position);
      field = line.slice(position, comma === -1 ? line.length : comma);
      position += field.length;
      if (field.includes('"')) {
        throw new RangeError(`parse error on column ${position}: bare " in non-quoted field`);
      }
    }
    fields.push(field);
    if (position >= line.length) return fields;
    position++;
  }
}

function closingQuote(line: string, open: number): number {
  for (let at = open + 1; at < line.length; at++) {
    if (line[at] !== '"') continue;
    if (line[at + 1] !== '"') return at;
    at++;
  }
  throw unexpectedQuote(line.length);
}

function unexpectedQuote(at: number): RangeError {
  return new RangeError(`parse error on column ${at + 1}: extraneous or missing " in quoted-field`);
}
