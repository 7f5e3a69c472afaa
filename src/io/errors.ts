/** Where in a file something is wrong; lines and columns count from 1. */
export interface SourceLocation {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The offending line itself, shown under the message with a caret. */
  readonly text?: string;
}

/**
 * Every code a `WhittleError` can carry. Codes are part of the contract: scripts match on them, so a code is
 * added, never reused for something else.
 */
export const errorCodes = {
  USAGE: { status: 2, about: "the command line is not usable" },
  RECIPE_INVALID: { status: 2, about: "whittle.yaml is not valid" },
  DOCKERFILE_INVALID: { status: 2, about: "a Dockerfile, or a .dockerignore beside it, is not valid" },
  CHECK_FAILED: {
    status: 1,
    about: "a build check finds something in a Dockerfile that takes that for an error",
  },
  SIMULATE_INVALID: { status: 2, about: "a folder to simulate has files that make no routes" },
  REFERENCE_INVALID: { status: 2, about: "an image reference or transport is malformed" },
  NOT_FOUND: { status: 2, about: "a file, image or container that was named does not exist" },
  OUTSIDE_CONTEXT: { status: 2, about: "a path leads outside the build context" },
  PLATFORM_UNSUPPORTED: { status: 2, about: "the platform cannot be had from this source" },
  ENVIRONMENT: { status: 3, about: "this machine lacks something that is needed" },
  PERMISSION: { status: 3, about: "the operating system refused access" },
  DISK_FULL: { status: 3, about: "no space is left on the device" },
  REGISTRY_DENIED: {
    status: 4,
    about: "a registry wants other credentials, or refuses access to a repository",
  },
  REGISTRY_REFUSED: { status: 4, about: "a registry does not accept what was asked of it" },
  NETWORK: { status: 3, about: "a server could not be reached or answered wrongly" },
  ARCHIVE_UNTRUSTED: { status: 4, about: "a signature or checksum of the Debian archive does not hold" },
  ARCHIVE_EXPIRED: { status: 4, about: "a release is past its Valid-Until" },
  PACKAGE_UNKNOWN: { status: 4, about: "no package of that name exists for the platform" },
  PACKAGE_UNSATISFIABLE: { status: 4, about: "dependencies cannot be satisfied" },
  PACKAGE_CONFLICT: { status: 4, about: "two wanted packages exclude each other" },
  ARCHIVE_CORRUPT: { status: 4, about: "an archive, package or layer is malformed or truncated" },
  ARCHIVE_HOSTILE: { status: 4, about: "an archive tries to reach outside its tree or beyond its limits" },
  DIGEST_MISMATCH: { status: 4, about: "bytes do not match the digest that names them" },
  IMAGE_INVALID: { status: 4, about: "a manifest, config or index breaks its specification" },
  STORE_FULL: { status: 4, about: "the store has as many names as it can have" },
  STORE_INVALID: { status: 4, about: "the store is damaged or not a store" },
  ELF_INVALID: { status: 4, about: "an ELF file is malformed" },
  ROOT_MISSING: { status: 4, about: "a root that the image must run is not in the tree" },
  NEED_MISSING: { status: 4, about: "something a kept file needs is not in the tree" },
  STEP_FAILED: { status: 4, about: "a step of the build failed" },
  CONTAINER_FAILED: { status: 4, about: "a container could not be started" },
  INTERRUPTED: { status: 130, about: "the person interrupted" },
  INTERNAL: { status: 4, about: "a defect in Whittle" },
} as const;

export type ErrorCode = keyof typeof errorCodes;

export interface WhittleErrorOptions {
  /** What the person can do about it, one sentence or one command. */
  readonly hint?: string;
  readonly cause?: unknown;
  readonly at?: SourceLocation;
}

/**
 * The one error class that a person may be shown. The message reads "Cannot <verb> <thing>: <what was found>,
 * <what is wanted>".
 */
export class WhittleError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly at: SourceLocation | undefined;

  constructor(code: ErrorCode, message: string, options: WhittleErrorOptions = {}) {
    super(redact(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "WhittleError";
    this.code = code;
    this.hint = options.hint === undefined ? undefined : redact(options.hint);
    this.at = options.at;
  }

  /** The process exit status that this error stands for. */
  get status(): number {
    return errorCodes[this.code].status;
  }
}

/**
 * The same error, pointing at a place of what the person wrote. An error that has a place keeps it; without a place,
 * and for errors of other kinds, it comes back unchanged.
 */
export function located(error: unknown, at: SourceLocation | undefined): unknown {
  if (!(error instanceof WhittleError) || error.at !== undefined || at === undefined) return error;
  const { code, message, hint } = error;
  return new WhittleError(code, message, { at, cause: error, ...(hint === undefined ? {} : { hint }) });
}

/** Removes credentials and query strings from addresses inside a text, so that no error or log line leaks them. */
export function redact(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, "$1***@")
    .replace(/(https?:\/\/[^\s?#"'<>]+)\?[^\s"'<>]*/gi, "$1?***");
}

/** Narrows an unknown thrown value to a Node system error. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === "string";
}

/**
 * Turns an operating system error into a `WhittleError` that says what was attempted; other errors come back
 * unchanged.
 *
 * @param doing - the attempt, as the words after "Cannot": `write /x/y`
 */
export function explainSystemError(error: unknown, doing: string): unknown {
  if (error instanceof WhittleError || !isSystemError(error)) return error;
  const at = error.path === undefined || doing.includes(error.path) ? "" : ` (${error.path})`;
  switch (error.code) {
    case "ENOSPC":
    case "EDQUOT":
      return new WhittleError("DISK_FULL", `Cannot ${doing}${at}: no space is left on the device`, {
        hint: "free some space, or choose another place with --store, XDG_CACHE_HOME or TMPDIR",
        cause: error,
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new WhittleError("PERMISSION", `Cannot ${doing}${at}: ${systemReason(error)}`, {
        hint: permissionHint(error.code),
        cause: error,
      });
    case "ENOENT":
    case "ENOTDIR":
    case "EISDIR":
    case "ELOOP":
      return new WhittleError("NOT_FOUND", `Cannot ${doing}${at}: ${systemReason(error)}`, { cause: error });
    default:
      return new WhittleError("ENVIRONMENT", `Cannot ${doing}${at}: ${systemReason(error)}`, {
        cause: error,
      });
  }
}

function permissionHint(code: string): string {
  if (code === "EROFS") return "choose a place that can be written, or mount this one so that it can";
  const user = process.getuid?.() === 0 ? "root" : `the user with the id ${process.getuid?.()}`;
  return `this is ${user}: choose another place, or give this user the right (chmod, chown)`;
}

function systemReason(error: NodeJS.ErrnoException): string {
  const known: Record<string, string> = {
    EACCES: "permission denied",
    EPERM: "the operation is not permitted",
    EROFS: "the file system is read-only",
    ENOENT: "no such file or directory",
    ENOTDIR: "a part of the path is not a directory",
    EISDIR: "it is a directory",
    ELOOP: "too many symbolic links",
  };
  return known[error.code ?? ""] ?? `${error.code ?? error.message}`;
}
