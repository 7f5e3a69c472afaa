import { type ErrorCode, WhittleError } from "../io/index.ts";
import type { ImageRecipe } from "../recipe/index.ts";
import { pointAtEntry } from "./context-mistake.ts";
import type { Project } from "./read.ts";

/** The lists of an image that errors of a kind are about. */
const listsOf: Partial<Record<ErrorCode, readonly ("packages" | "roots" | "keep")[]>> = {
  PACKAGE_UNKNOWN: ["packages"],
  PACKAGE_UNSATISFIABLE: ["packages"],
  PACKAGE_CONFLICT: ["packages"],
  NEED_MISSING: ["packages"],
  ROOT_MISSING: ["roots", "keep"],
};

/** The same error, pointing at what the recipe says of an image and the error is about; others come back unchanged. */
export async function recipeMistake(
  error: unknown,
  project: Project,
  { name, recipe }: { readonly name: string; readonly recipe: ImageRecipe },
): Promise<unknown> {
  if (!(error instanceof WhittleError) || error.at !== undefined) return error;
  const entry = entryOf(error, recipe);
  return entry === undefined ? error : pointAtEntry(error, project, ["images", name, ...entry]);
}

function entryOf({ code, message }: WhittleError, recipe: ImageRecipe): readonly string[] | undefined {
  if (code === "NOT_FOUND" && message.startsWith("Cannot find the suite")) return ["from"];
  const lists = (listsOf[code] ?? []).filter((list) => recipe[list] !== undefined);
  const named = lists.flatMap((list) =>
    (recipe[list] ?? []).flatMap((entry, index) => {
      const word = typeof entry === "string" ? entry : (entry[0] ?? "");
      return mentions(message, word) ? [{ word, path: [list, String(index)] }] : [];
    }),
  );
  const [longest] = named.sort((a, b) => b.word.length - a.word.length);
  return longest?.path ?? lists.slice(0, 1);
}

/** Whether a text has a word that is not a part of a longer one. */
function mentions(text: string, word: string): boolean {
  const part = /[\w/.+-]/;
  for (let at = text.indexOf(word); word !== "" && at !== -1; at = text.indexOf(word, at + 1)) {
    if (!part.test(text.charAt(at - 1)) && !part.test(text.charAt(at + word.length))) return true;
  }
  return false;
}
