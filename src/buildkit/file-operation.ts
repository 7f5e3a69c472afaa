import { type GoValue, goBytes, goJson, unlessEmpty } from "./go-json.ts";

/** Who files are made to belong to: a number, or a name that is looked up in the input of that number. */
export type FileUser = number | { readonly name: string; readonly input: number };

/** An owner as `--chown` gives one. */
export interface FileOwner {
  readonly user?: FileUser;
  readonly group?: FileUser;
}

/** Makes a directory. */
export interface MakeDirectory {
  readonly kind: "mkdir";
  readonly path: string;
  readonly mode: number;
  /** Whether those above it are made as well. */
  readonly parents: boolean;
  readonly owner?: FileOwner | undefined;
  /** Nanoseconds since the epoch; -1 for the present. */
  readonly timestamp: number;
}

/** Makes a file. */
export interface MakeFile {
  readonly kind: "mkfile";
  readonly path: string;
  readonly mode: number;
  readonly content: string;
}

/** Copies from an input. */
export interface CopyFiles {
  readonly kind: "copy";
  /** The last part of the path only: the whole of it is in the input's selector. */
  readonly source: string;
  readonly destination: string;
  readonly owner?: FileOwner | undefined;
  /** As chmod(1) takes it; digits are octal. */
  readonly mode?: string | undefined;
  /** From a context or a stage: links are followed, directories copied without their own name, patterns filled. */
  readonly asFiles: boolean;
  readonly unpack: boolean;
  /** Nanoseconds since the epoch; -1 for the present. */
  readonly timestamp: number;
  readonly includePatterns: readonly string[];
  readonly excludePatterns: readonly string[];
}

/** An action and what it works on: numbers of inputs, and beyond those of earlier actions; -1 for nothing. */
export interface PlacedAction {
  readonly action: MakeDirectory | MakeFile | CopyFiles;
  readonly input: number;
  readonly secondInput: number;
}

/**
 * What a file operation's name is made of (moby/buildkit, solver/llbsolver/ops/file.go): the JSON of its actions, with
 * the members of solver/pb/ops.proto.
 */
export function fileOperation(actions: readonly PlacedAction[]): GoValue {
  const last = actions.length - 1;
  const indexes = actions.map(({ input, secondInput }, at) => [input, secondInput, at === last ? 0 : -1]);
  return {
    Type: "buildkit.file.v0",
    Actions: actions.map(({ action }) => goBytes(goJson(actionValue(action)))),
    indexes: areUsual(indexes) ? undefined : indexes,
  };
}

/** Older versions had no indexes; to keep the names, the most usual ones are left out. */
function areUsual(indexes: readonly (readonly number[])[]): boolean {
  return indexes.every(
    ([input, second], at) =>
      input === (at === 0 ? 0 : indexes.length + at - 1) && (second === -1 || second === 1),
  );
}

function actionValue(action: PlacedAction["action"]): GoValue {
  switch (action.kind) {
    case "mkdir":
      return {
        path: action.path,
        mode: unlessEmpty(action.mode & 0o777),
        makeParents: unlessEmpty(action.parents),
        owner: ownerValue(action.owner),
        timestamp: unlessEmpty(action.timestamp),
      };
    case "mkfile":
      return {
        path: action.path,
        mode: unlessEmpty(action.mode),
        data: unlessEmpty(goBytes(action.content)),
        timestamp: -1,
      };
    case "copy":
      return copyValue(action);
  }
}

function copyValue(action: CopyFiles): GoValue {
  const { source, destination, owner, mode, asFiles, unpack, timestamp } = action;
  const symbolic = mode !== undefined && !/^[0-7]+$/.test(mode);
  const digits = mode === undefined ? -1 : symbolic ? 0 : Number.parseInt(mode, 8);
  return {
    src: source,
    dest: destination,
    owner: ownerValue(owner),
    mode: unlessEmpty(digits),
    followSymlink: unlessEmpty(asFiles),
    dirCopyContents: unlessEmpty(asFiles),
    attemptUnpackDockerCompatibility: unlessEmpty(unpack),
    createDestPath: true,
    allowWildcard: unlessEmpty(asFiles),
    allowEmptyWildcard: unlessEmpty(asFiles),
    timestamp: unlessEmpty(timestamp),
    include_patterns: unlessEmpty(action.includePatterns),
    exclude_patterns: unlessEmpty(action.excludePatterns),
    modeStr: symbolic ? mode : undefined,
  };
}

function ownerValue(owner: FileOwner | undefined): GoValue | undefined {
  return owner && { user: userValue(owner.user), group: userValue(owner.group) };
}

function userValue(user: FileUser | undefined): GoValue | undefined {
  if (user === undefined) return undefined;
  if (typeof user === "number") return { User: { byId: unlessEmpty(user) } };
  return { User: { byName: { name: user.name, input: unlessEmpty(user.input) } } };
}

/** Reads an owner as BuildKit does (client/llb/fileop.go, `WithUser`). */
export function fileOwner(text: string, input: number): FileOwner {
  const colon = text.indexOf(":");
  const user = (name: string): FileUser => {
    if (name === "root" || name === "") return 0;
    const number = /^[+-]?\d+$/.test(name) ? Number(name) : Number.NaN;
    // Numbers that do not fit are names; negative ones become what 32 bits make of them.
    return number >= -(2 ** 31) && number < 2 ** 31 ? number >>> 0 : { name, input };
  };
  if (colon < 0) return { user: user(text) };
  return { user: user(text.slice(0, colon)), group: user(text.slice(colon + 1)) };
}
