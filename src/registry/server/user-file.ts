import { readFile, stat } from "node:fs/promises";
import { explainSystemError, stampText, WhittleError } from "../../io/index.ts";

// Milliseconds. Who is taken out of the file is in for no longer.
const lookEvery = 1000;

/** The names and bcrypt hashes of a file of passwords, as they stand in it now. */
export class UserFile {
  readonly #path: string;
  readonly #warn: (error: unknown) => void;
  #hashes: ReadonlyMap<string, string> = new Map();
  #stamp = "";
  #told = "";
  #looked = 0;
  #looking: Promise<void> | undefined;

  private constructor(path: string, warn: (error: unknown) => void) {
    this.#path = path;
    this.#warn = warn;
  }

  /**
   * @param warn - told when the file has changed and cannot be used; what it was before counts on
   * @throws WhittleError `USAGE` when a line of the file is no bcrypt hash, `NOT_FOUND`, `PERMISSION`
   */
  static async open(path: string, warn: (error: unknown) => void): Promise<UserFile> {
    const file = new UserFile(path, warn);
    await file.#read();
    return file;
  }

  /** Hashes by name. */
  async hashes(): Promise<ReadonlyMap<string, string>> {
    if (Date.now() - this.#looked >= lookEvery) {
      this.#looking ??= this.#read()
        .catch((error: Error) => this.#tell(error))
        .finally(() => {
          this.#looking = undefined;
        });
      await this.#looking;
    }
    return this.#hashes;
  }

  /** What is wrong with it is told once. */
  #tell(error: Error): void {
    if (error.message !== this.#told) this.#warn(error);
    this.#told = error.message;
  }

  async #read(): Promise<void> {
    this.#looked = Date.now();
    const path = this.#path;
    const explained = (error: unknown): never => {
      throw explainSystemError(error, `read the passwords in ${path}`);
    };
    const stamp = stampText(await stat(path, { bigint: true }).catch(explained));
    if (stamp === this.#stamp) return;
    const text = await readFile(path, "utf8").catch(explained);
    this.#stamp = stamp;
    this.#hashes = parsed(path, text);
    this.#told = "";
  }
}

function parsed(path: string, text: string): ReadonlyMap<string, string> {
  const users = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [, name, hash] = /^([^:]+):(\$2[aby]\$\d\d\$[./A-Za-z0-9]{53})\s*$/.exec(line) ?? [];
    if (name === undefined || hash === undefined) {
      throw new WhittleError("USAGE", `Cannot use ${path}: line ${index + 1} is not NAME:BCRYPT`, {
        hint: `htpasswd -B -c ${path} NAME writes such a line`,
        at: { file: path, line: index + 1, column: 1 },
      });
    }
    users.set(name, hash);
  }
  return users;
}
