import { WhittleError } from "../io/index.ts";

/**
 * Sorted texts in little room: each line gives in base 36 how many characters it shares with the one before, a
 * space, and the rest as a JSON string without its quotes (so a name with a line break stays one line).
 */
export function frontCode(texts: readonly string[]): string {
  let before = "";
  const lines = texts.map((text) => {
    let shared = 0;
    while (shared < before.length && before[shared] === text[shared]) shared++;
    before = text;
    return `${shared.toString(36)} ${JSON.stringify(text.slice(shared)).slice(1, -1)}`;
  });
  return lines.join("\n");
}

/**
 * The inverse of {@link frontCode}.
 *
 * @throws WhittleError `IMAGE_INVALID` when a line has not this form
 */
export function frontDecode(code: string): string[] {
  if (code === "") return [];
  let before = "";
  return code.split("\n").map((line) => {
    const space = line.indexOf(" ");
    const shared = Number.parseInt(line.slice(0, space), 36);
    if (space < 1 || !(shared >= 0 && shared <= before.length)) throw malformed(line);
    before = before.slice(0, shared) + unescaped(line.slice(space + 1));
    return before;
  });
}

function unescaped(text: string): string {
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch (cause) {
    throw malformed(text, cause);
  }
}

function malformed(line: string, cause?: unknown): WhittleError {
  return new WhittleError(
    "IMAGE_INVALID",
    `Cannot read a list of paths: found ${JSON.stringify(line.slice(0, 80))}, a shared length and a rest are wanted`,
    { cause },
  );
}
