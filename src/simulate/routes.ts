import { WhittleError } from "../io/index.ts";
import { compareNames } from "../tree/index.ts";
import { type Answer, type Method, methods, readFileName } from "./file-name.ts";

/** What one path of the server answers. */
export interface Route {
  /** Decoded, as nginx compares it. */
  readonly path: string;
  /** In the order of `Allow`, without HEAD and OPTIONS. */
  readonly answers: readonly Pick<Answer, "method" | "status" | "file">[];
  /** Where GET is sent on to: the same path with a slash behind it. */
  readonly redirect?: string;
  /** Value of the `Allow` header. */
  readonly allow: string;
}

const mostShown = 5;

/**
 * The routes of a folder's files, by path.
 *
 * @param files - paths below the folder, without a leading slash
 * @throws WhittleError `SIMULATE_INVALID` for names that make no route and for two files that answer the same
 */
export function routesOf(files: Iterable<string>): Route[] {
  const problems: string[] = [];
  const byPath = new Map<string, Map<Method, Answer>>();
  for (const file of files) {
    const answer = readFileName(file);
    if (typeof answer === "string") problems.push(`${JSON.stringify(file)}: ${answer}`);
    else claim(byPath, answer, problems);
  }
  if (problems.length > 0) throw invalid(problems);
  const paths = new Set([...byPath.keys(), ...directoriesOf(byPath.keys())]);
  return [...paths].sort(compareNames).map((path) => route(path, byPath));
}

function claim(byPath: Map<string, Map<Method, Answer>>, answer: Answer, problems: string[]): void {
  for (const path of answer.paths) {
    const answers = byPath.get(path) ?? new Map<Method, Answer>();
    const other = answers.get(answer.method);
    if (other !== undefined) {
      problems.push(
        `${JSON.stringify(other.file)} and ${JSON.stringify(answer.file)} both answer ${answer.method} ${path}`,
      );
      return;
    }
    byPath.set(path, answers.set(answer.method, answer));
  }
}

/** `/users` for every `/users/` that answers. */
function directoriesOf(paths: Iterable<string>): string[] {
  return [...paths].filter((path) => path.length > 1 && path.endsWith("/")).map((path) => path.slice(0, -1));
}

function route(path: string, byPath: ReadonlyMap<string, ReadonlyMap<Method, Answer>>): Route {
  const own = byPath.get(path);
  const answers = methods.map((method) => own?.get(method)).filter((answer) => answer !== undefined);
  const redirect = own?.has("GET") !== true && byPath.get(`${path}/`)?.has("GET") === true;
  const readable = redirect || own?.has("GET") === true;
  const writing = answers.map(({ method }) => method).filter((method) => method !== "GET");
  const allowed = [...(readable ? ["GET", "HEAD"] : []), "OPTIONS", ...writing];
  return {
    path,
    answers: answers.map(({ method, status, file }) => ({ method, status, file })),
    ...(redirect ? { redirect: `${path}/` } : {}),
    allow: allowed.join(", "),
  };
}

function invalid(problems: readonly string[]): WhittleError {
  const shown = problems.slice(0, mostShown).join("; ");
  const more = problems.length > mostShown ? `; and ${problems.length - mostShown} more` : "";
  return new WhittleError("SIMULATE_INVALID", `Cannot make routes of the folder: ${shown}${more}`, {
    hint: "name files like users.json, users/index.json or users.POST.201.json, and each answer once",
  });
}
