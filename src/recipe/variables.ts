/** What labels and annotations may speak of; a variable without a value is unknown here. */
export type Variables = Readonly<Record<string, string | undefined>>;

const reference = /\$\{([a-z][a-zA-Z0-9.]*)\}/g;

/** The names of the variables that texts speak of. */
export function variablesIn(texts: Iterable<string>): Set<string> {
  const names = new Set<string>();
  for (const text of texts) for (const [, name] of text.matchAll(reference)) names.add(name ?? "");
  return names;
}

/**
 * Texts with `${git.revision}` and the like filled in. A text that speaks of something unknown is left out as a
 * whole: half a label would be a lie.
 */
export function fillVariables(
  texts: Readonly<Record<string, string>>,
  variables: Variables,
): Record<string, string> {
  const filled: Record<string, string> = {};
  for (const [name, text] of Object.entries(texts)) {
    const unknown = [...variablesIn([text])].some((variable) => variables[variable] === undefined);
    if (!unknown) filled[name] = text.replace(reference, (_, variable: string) => variables[variable] ?? "");
  }
  return filled;
}
