/** Methods that a file may answer; the server answers HEAD and OPTIONS itself. */
export const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

export type Method = (typeof methods)[number];

/** What a file of the folder answers. */
export interface Answer {
  readonly method: Method;
  /** 200 unless the file's name says otherwise. */
  readonly status: number;
  /** Path of the file below the folder, without a leading slash. */
  readonly file: string;
  /** Paths of requests, decoded, the plainest first. */
  readonly paths: readonly string[];
}

const marked = /^(.+)\.([A-Za-z]+)\.(\d{3})(\.[A-Za-z0-9]+)?$/s;

/**
 * Reads a file's path as the request that it answers: `users.json` is GET of `/users` and `/users.json`,
 * `users/index.json` GET of `/users/`, `users.POST.201.json` POST of `/users` with status 201, anything that is
 * not JSON GET of its own name.
 *
 * @returns the answer, or what is wrong with the name
 */
export function readFileName(file: string): Answer | string {
  const flaw = unusable(file);
  if (flaw !== undefined) return flaw;
  const [, stem, method, code, extension = ""] = marked.exec(file) ?? [];
  if (stem === undefined || method === undefined || code === undefined || !looksLikeMethod(method)) {
    return plain(file);
  }
  if (stem.endsWith("/")) return "it names a method and a status, but nothing before them";
  if (!isMethod(method)) return `${method} is not one of ${methods.join(", ")}`;
  const status = Number(code);
  if (status < 200 || status > 599) return `${code} is not the status of an answer, 200 to 599 is wanted`;
  if (status >= 300 && status < 400) return `${code} is a redirection, and a file cannot say where to`;
  return { method, status, file, paths: requestPaths(stem, extension, true) };
}

function plain(file: string): Answer {
  const dot = file.lastIndexOf(".");
  const slash = file.lastIndexOf("/");
  const [stem, extension] = dot > slash + 1 ? [file.slice(0, dot), file.slice(dot)] : [file, ""];
  return { method: "GET", status: 200, file, paths: requestPaths(stem, extension, extension === ".json") };
}

/** `bare`: also answers without the extension. */
function requestPaths(stem: string, extension: string, bare: boolean): string[] {
  const paths = bare ? [`/${stem}`] : [];
  if (extension !== "" || !bare) paths.push(`/${stem}${extension}`);
  const isIndex = /(?:^|\/)index$/.test(stem);
  if (isIndex && (bare || /^\.html?$/.test(extension))) {
    paths.unshift(`/${stem.slice(0, -"index".length)}`);
  }
  return paths;
}

/** Upper case names a method, known or not; lower case only a known one: `report.v.200.json` is a plain file. */
function looksLikeMethod(word: string): boolean {
  return word === word.toUpperCase() || [...methods, "HEAD", "OPTIONS"].includes(word.toUpperCase());
}

function isMethod(word: string): word is Method {
  return (methods as readonly string[]).includes(word);
}

function unusable(file: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(file)) return "it has a control character, which no address can hold";
  if (file.includes("?")) return "it has a question mark, which would start the query of the address";
  if (file.includes("\ufffd") || !file.isWellFormed()) return "it is not UTF-8";
  return undefined;
}
