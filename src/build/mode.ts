import { WhittleError } from "../io/index.ts";

/**
 * Reads a mode as chmod(1) takes it, octal or symbolic, into a function from the present mode to the new one.
 *
 * @param text - `0755`, `a=rX`, `u+rwX,go-w`
 * @returns given the low 12 mode bits and whether it is a directory, the new low 12 bits
 * @throws WhittleError `USAGE`
 */
export function parseMode(text: string): (mode: number, directory: boolean) => number {
  if (/^[0-7]{1,4}$/.test(text)) {
    const fixed = Number.parseInt(text, 8);
    return () => fixed;
  }
  const clauses = text.split(",").map((clause) => parseClause(clause, text));
  return (mode, directory) => clauses.reduce((present, clause) => clause(present, directory), mode);
}

type ModeChange = (mode: number, directory: boolean) => number;

function parseClause(clause: string, whole: string): ModeChange {
  const match = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/.exec(clause);
  if (match === null) {
    throw new WhittleError(
      "USAGE",
      `Cannot read the mode "${whole}": wanted octal digits like 0755 or symbols like u=rwX,go=rX`,
    );
  }
  // POSIX has the umask decide when nobody is named; an image knows no umask, so everybody is meant.
  const who = match[1] === "" || match[1] === undefined ? "a" : match[1];
  const operations = [...(match[2] ?? "").matchAll(/([-+=])([rwxXst]*|[ugo])(?=[-+=]|$)/g)];
  return (mode, directory) => {
    let present = mode;
    for (const [, operator, letters] of operations) {
      present = applyOperation(present, directory, who, operator ?? "=", letters ?? "");
    }
    return present;
  };
}

function applyOperation(
  mode: number,
  directory: boolean,
  who: string,
  operator: string,
  letters: string,
): number {
  let result = mode;
  for (const [letter, shift] of [
    ["u", 6],
    ["g", 3],
    ["o", 0],
  ] as const) {
    if (!who.includes(letter) && !who.includes("a")) continue;
    const bits = permissionBits(mode, directory, letters) << shift;
    if (operator === "+") result |= bits;
    else if (operator === "-") result &= ~bits;
    else result = (result & ~(7 << shift)) | bits;
  }
  return applySpecial(result, directory, who, operator, letters);
}

function permissionBits(mode: number, directory: boolean, letters: string): number {
  if (letters === "u") return (mode >> 6) & 7;
  if (letters === "g") return (mode >> 3) & 7;
  if (letters === "o") return mode & 7;
  let bits = 0;
  if (letters.includes("r")) bits |= 4;
  if (letters.includes("w")) bits |= 2;
  if (letters.includes("x")) bits |= 1;
  if (letters.includes("X") && (directory || (mode & 0o111) !== 0)) bits |= 1;
  return bits;
}

function applySpecial(
  mode: number,
  directory: boolean,
  who: string,
  operator: string,
  letters: string,
): number {
  let named = 0;
  let cleared = 0;
  const all = who.includes("a");
  if (all || who.includes("u")) cleared |= 0o4000;
  if (all || who.includes("g")) cleared |= 0o2000;
  if (all) cleared |= 0o1000;
  if (letters.includes("s")) named |= cleared & 0o6000;
  if (letters.includes("t")) named |= 0o1000;
  if (operator === "+") return mode | named;
  if (operator === "-") return mode & ~named;
  // GNU chmod keeps a directory's setuid and setgid bits unless they are named.
  return directory ? mode | named : (mode & ~cleared) | named;
}
