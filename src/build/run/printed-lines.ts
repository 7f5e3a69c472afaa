import { StringDecoder } from "node:string_decoder";
import { SecretMask } from "./secret-mask.ts";

/** Which of a program's streams something was printed on. */
export type OutputStream = "stdout" | "stderr";

const mostLines = 20;

/** What a program prints, in lines, with the values of secrets hidden; the last lines are kept. */
export class PrintedLines {
  readonly #streams: Readonly<Record<OutputStream, Lines>>;
  readonly #tell: (line: string, stream: OutputStream) => void;
  readonly #last: string[] = [];
  readonly #mask: SecretMask;

  constructor(secrets: readonly Uint8Array[], tell: (line: string, stream: OutputStream) => void) {
    this.#mask = new SecretMask(secrets);
    this.#streams = { stdout: new Lines(secrets), stderr: new Lines(secrets) };
    this.#tell = tell;
  }

  /** Takes bytes as they come. */
  take(chunk: Buffer, stream: OutputStream): void {
    this.#lines(this.#streams[stream].take(chunk), stream);
  }

  /** Tells of lines that have no end, when no more comes. */
  end(): void {
    for (const stream of ["stdout", "stderr"] as const) this.#lines(this.#streams[stream].end(), stream);
  }

  /** The last lines of both streams. */
  get last(): readonly string[] {
    return this.#last;
  }

  /** Hides the values of secrets in words about the program. */
  hide(text: string): string {
    return this.#mask.text(text);
  }

  #lines(lines: readonly string[], stream: OutputStream): void {
    for (const line of lines) this.#tell(line, stream);
    this.#last.push(...lines.slice(-mostLines));
    this.#last.splice(0, Math.max(0, this.#last.length - mostLines));
  }
}

/** One stream, cut into lines. */
class Lines {
  readonly #mask: SecretMask;
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";

  constructor(secrets: readonly Uint8Array[]) {
    this.#mask = new SecretMask(secrets);
  }

  take(chunk: Buffer): string[] {
    const lines = (this.#rest + this.#decoder.write(this.#mask.take(chunk))).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines;
  }

  end(): string[] {
    const rest = this.#rest + this.#decoder.write(this.#mask.end()) + this.#decoder.end();
    this.#rest = "";
    return rest === "" ? [] : rest.split("\n");
  }
}
