/** A directive of an nginx configuration with its arguments unquoted. */
export interface Directive {
  readonly name: string;
  readonly arguments: readonly string[];
  /** Counts from 1. */
  readonly line: number;
  /** The directives in its braces; absent where it ended with a semicolon. */
  readonly block?: readonly Directive[];
}

interface Token {
  readonly text: string;
  readonly quoted: boolean;
  readonly line: number;
}

/**
 * Reads nginx's configuration syntax as `ngx_conf_file.c` does: words, quotes with backslashes, comments, blocks.
 * Answers with `undefined` when the text is not such a configuration: nothing is known of it then.
 */
export function parseNginx(text: string): readonly Directive[] | undefined {
  const tokens = tokenize(text);
  if (tokens === undefined) return undefined;
  const stack: Directive[][] = [[]];
  const opened: { name: string; arguments: string[]; line: number }[] = [];
  let words: Token[] = [];
  for (const token of tokens) {
    const mark = token.quoted ? "" : token.text;
    if (mark !== ";" && mark !== "{" && mark !== "}") {
      words.push(token);
      continue;
    }
    const [first, ...rest] = words;
    words = [];
    if (mark === "}") {
      const block = stack.pop();
      const head = opened.pop();
      if (first !== undefined || block === undefined || head === undefined) return undefined;
      stack.at(-1)?.push({ ...head, block });
      continue;
    }
    if (first === undefined) return undefined;
    const head = { name: first.text, arguments: rest.map((word) => word.text), line: first.line };
    if (mark === ";") stack.at(-1)?.push(head);
    else {
      opened.push(head);
      stack.push([]);
    }
  }
  return words.length === 0 && opened.length === 0 ? stack[0] : undefined;
}

/** All directives of a configuration, those inside blocks too, in the order of the text. */
export function* allDirectives(directives: readonly Directive[]): Generator<Directive, void, undefined> {
  for (const directive of directives) {
    yield directive;
    if (directive.block !== undefined) yield* allDirectives(directive.block);
  }
}

// One token: blanks, a comment, a quoted word, a mark, or a word (in which "${" does not open a block).
const pattern =
  /([ \t\r\n]+)|(#[^\n]*)|"((?:\\[\s\S]|[^"\\])*)"|'((?:\\[\s\S]|[^'\\])*)'|([;{}])|((?:\\[\s\S]|\$\{|[^\s;{}"'\\#])(?:\\[\s\S]|\$\{[^}\s]*\}?|[^\s;{\\])*)/y;

function tokenize(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  let line = 1;
  pattern.lastIndex = 0;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null) return undefined;
    const [whole, , , double, single, mark, word] = match;
    const quoted = double ?? single;
    if (quoted !== undefined) tokens.push({ text: unescaped(quoted), quoted: true, line });
    else if (mark !== undefined) tokens.push({ text: mark, quoted: false, line });
    else if (word !== undefined) tokens.push({ text: unescaped(word), quoted: false, line });
    for (const character of whole) if (character === "\n") line++;
  }
  return tokens;
}

function unescaped(word: string): string {
  const special: Record<string, string> = { t: "\t", r: "\r", n: "\n", '"': '"', "'": "'", "\\": "\\" };
  return word.replace(/\\([\s\S])/g, (whole, character: string) => special[character] ?? whole);
}
