/**
 * What the comments above a stage or argument say of it: the first line that begins with its name, without that.
 *
 * @param comments - all between it and the statement before
 */
export function descriptionOf(comments: readonly string[], name: string | undefined): string | undefined {
  const line = comments.find((comment) => name !== undefined && comment.startsWith(`${name} `));
  return line?.slice((name?.length ?? 0) + 1).trim() || undefined;
}
