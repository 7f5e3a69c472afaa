import { copyStep, inlineStep, patternExpression, type Step, scratchStep } from "../../build/index.ts";
import type { Instruction } from "../instruction.ts";
import { mistake, pointAt } from "../place.ts";
import type { Expand } from "./metadata.ts";
import type { PlanOptions } from "./options.ts";
import { destinationPath, normalized, slashedPath } from "./paths.ts";
import { isRemote, remoteSource } from "./remote-source.ts";
import { requireAccounts } from "./require-accounts.ts";
import { excluded, selection } from "./selection.ts";
import { addLayer, commit, type StageState, stepLabel } from "./stage-state.ts";

type Copy = Extract<Instruction, { kind: "copy" | "add" }>;
type Sources = Parameters<typeof copyStep>[2]["sources"];

/** COPY and ADD: `source` comes to the tree that paths are taken from. */
export function planCopy(
  state: StageState,
  instruction: Copy,
  source: Step,
  options: PlanOptions,
  expand: Expand,
): void {
  const given = expandedParts(instruction, expand);
  // One that comes to nothing is none.
  const mode = given.chmod ? checkedMode(instruction, given.chmod) : undefined;
  if (given.checksum !== undefined && !(given.paths.length === 1 && isRemote(given.paths[0] ?? ""))) {
    throw mistake(instruction.place, "--checksum is for one HTTP or git source", { part: given.checksum });
  }
  const inputs: Record<string, Step> = {};
  const sources: Sources[number][] = [];
  for (const [index, path] of given.paths.entries()) {
    if (isRemote(path)) {
      const name = `remote${index}`;
      const remote = remoteSource(instruction, path, given.checksum, options);
      inputs[name] = remote.step;
      sources.push({ ...remote.source, input: name });
      continue;
    }
    sources.push(localSource(instruction, path, state.platform.os));
  }
  const local = sources.filter(({ input }) => input === "source");
  if (local.length > 0) {
    const selected = {
      paths: local.map(({ path, include }) => ({ path, ...(include === undefined ? {} : { include }) })),
      excludes: given.excludes,
    };
    inputs["source"] = selection(source, selected, instruction, instruction.from, options);
  }
  const files = instruction.sources.flatMap((one) => (one.kind === "heredoc" ? [one.heredoc] : []));
  if (files.length > 0) {
    inputs["inline"] = inlineStep(
      files.map((file) => ({
        name: file.name,
        content: file.expand ? expand(file.content, "heredoc") : file.content,
        mode: 0o644,
      })),
      options.epoch ?? 0,
    );
    sources.push(
      ...files.map(({ name }) => ({ input: "inline", path: `/${name}`, unpack: false, exact: true })),
    );
  }
  const alone = instruction.link === true && mode === undefined;
  requireAccounts(instruction, given.chown, alone ? scratchStep : state.tree);
  const parameters = {
    sources,
    destination: destinationPath(slashed(state), slashedPath(state.platform.os, given.destination)),
    ...(given.chown === undefined || given.chown === "" ? {} : { owner: given.chown }),
    ...(mode === undefined ? {} : { mode }),
    excludes: given.excludes,
    ...(alone ? { alone } : {}),
    mtime: options.epoch ?? 0,
  };
  const at = pointAt(instruction.place);
  const { cacheDirectory, epoch } = options;
  const step = copyStep(
    state.tree,
    inputs,
    parameters,
    { excluded, at, cacheDirectory, ...(epoch === undefined ? {} : { epoch }) },
    stepLabel(state, instruction.original),
  );
  addLayer(state, step);
  const words = [
    instruction.kind.toUpperCase(),
    ...(instruction.parents === true ? ["--parents"] : []),
    ...(given.chown === undefined || given.chown === "" ? [] : [`--chown=${given.chown}`]),
    ...(given.chmod === undefined || given.chmod === "" ? [] : [`--chmod=${given.chmod}`]),
    ...given.paths,
    ...files.map((file) => `<<${file.name}`),
    given.destination,
  ];
  commit(state, `${words.join(" ")} # whittle`, "layer");
}

/** A stage's working directory with slashes, whatever its platform writes. */
export function slashed(state: StageState): string {
  const directory = state.config.WorkingDir || "/";
  return state.platform.os === "windows" ? directory.replaceAll("\\", "/") : directory;
}

function expandedParts(instruction: Copy, expand: Expand) {
  const optional = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : expand(text);
  return {
    paths: instruction.sources.flatMap((one) => (one.kind === "path" ? [expand(one.path)] : [])),
    destination: expand(instruction.destination),
    chown: optional(instruction.chown),
    chmod: optional(instruction.chmod),
    checksum: optional(instruction.checksum),
    // BuildKit fills no variables into these.
    excludes: instruction.excludes,
  };
}

function localSource(instruction: Copy, written: string, os: string): Sources[number] {
  const path = slashedPath(os, written);
  if (path.includes("[") && patternExpression(path) === undefined) {
    throw mistake(instruction.place, `syntax error in pattern ${JSON.stringify(path)}`, {
      part: path,
      hint: "a [ that stands for itself is written [[]",
    });
  }
  const unpack = instruction.unpack ?? instruction.kind === "add";
  if (instruction.parents !== true) {
    return { input: "source", path: normalized("/", path, "no slash"), unpack };
  }
  // Directories before the pivot "/./" do not come along.
  const pivot = path.indexOf("/./");
  const [above, below] = pivot < 0 ? ["/", path] : [path.slice(0, pivot), path.slice(pivot + 3)];
  return {
    input: "source",
    path: normalized("/", above, "no slash"),
    include: normalized("/", below, "no slash").slice(1),
    unpack,
  };
}

function checkedMode(instruction: Copy, mode: string): string {
  if (/^[0-7]+$/.test(mode)) {
    if (Number.parseInt(mode, 8) <= 0o7777) return Number.parseInt(mode, 8).toString(8);
  } else if (/^(?:[ugoa]*[-+=][rwxXstugo]*)(?:,[ugoa]*[-+=][rwxXstugo]*)*$/.test(mode)) return mode;
  throw mistake(
    instruction.place,
    `invalid chmod parameter: '${mode}'. it should be octal string and between 0 and 07777, or symbols like u=rwX,go=rX`,
    { part: mode },
  );
}
