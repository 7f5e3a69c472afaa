import { WhittleError } from "../io/index.ts";

/**
 * A path inside a tree: absolute, `/`-separated, without `.`, `..`, empty parts or a trailing slash; the top is
 * `/`.
 */
export type TreePath = string;

/**
 * Brings a name from an archive, a recipe or a person into the form of a {@link TreePath}. `.` and empty parts
 * vanish, a missing leading slash is added.
 *
 * @throws WhittleError `ARCHIVE_HOSTILE` when it holds `..` or a NUL byte: such a name is never repaired
 */
export function treePath(name: string): TreePath {
  if (isClean(name)) return name.startsWith("/") ? name : `/${name}`;
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..") || name.includes("\0")) {
    throw new WhittleError(
      "ARCHIVE_HOSTILE",
      `Cannot use the path ${JSON.stringify(name.slice(0, 200))}: it would leave the tree, a path without ".." is wanted`,
    );
  }
  return `/${parts.join("/")}`;
}

/** Whether nothing but a leading slash may be missing: so are most names, and most are asked for by the thousand. */
function isClean(name: string): boolean {
  return (
    name.length > 1 &&
    !name.startsWith(".") &&
    !name.endsWith("/") &&
    !name.includes("/.") &&
    !name.includes("//") &&
    !name.includes("\0")
  );
}

/** The directory that holds a path; of `/` it is `/`. */
export function parentOf(path: TreePath): TreePath {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}

/** The last part of a path; of `/` it is empty. */
export function nameOf(path: TreePath): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The path of a name inside a directory. */
export function childOf(directory: TreePath, name: string): TreePath {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

/** The parts of a path; of `/` there are none. */
export function partsOf(path: TreePath): string[] {
  return path === "/" ? [] : path.slice(1).split("/");
}

/** Whether `path` is `directory` or lies below it. */
export function isWithin(path: TreePath, directory: TreePath): boolean {
  return directory === "/" || path === directory || path.startsWith(`${directory}/`);
}

/** The directories above a path, the nearest last: of `/a/b/c` these are `/`, `/a`, `/a/b`. */
export function ancestorsOf(path: TreePath): TreePath[] {
  const parts = partsOf(path).slice(0, -1);
  const result: TreePath[] = path === "/" ? [] : ["/"];
  let at = "";
  for (const part of parts) {
    at += `/${part}`;
    result.push(at);
  }
  return result;
}

/** Orders names by their UTF-8 bytes, the same on every machine and in every locale. */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  // UTF-16 order equals UTF-8 order unless a surrogate meets a character above it.
  for (let i = 0; i < a.length && i < b.length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) {
      const xs = x >= 0xd800 && x <= 0xdfff;
      const ys = y >= 0xd800 && y <= 0xdfff;
      if (xs !== ys) return xs ? 1 : -1;
      return x - y;
    }
  }
  return a.length - b.length;
}

/** Compares paths by the bytes of their parts, so that a directory comes right before what is in it. */
export function comparePaths(a: TreePath, b: TreePath): number {
  const left = partsOf(a);
  const right = partsOf(b);
  for (let i = 0; i < left.length && i < right.length; i++) {
    const order = compareNames(left[i] ?? "", right[i] ?? "");
    if (order !== 0) return order;
  }
  return left.length - right.length;
}
